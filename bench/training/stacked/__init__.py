"""Several seeds of one method trained as one: small models leave a device idle, and S of them cost little more.

`stack` is the module that trains them; `seeds` makes the records, and falls back to one seed after the other.
"""
