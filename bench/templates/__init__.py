"""Files that `mtlbench new` copies under the name that a user chose: one complete, commented part of each kind.

They are modules like any other, so that lint, types and tests hold them. `bench.cli.new` replaces `my_method` and
`MyMethod` in that of a method, and so on; nothing of the harness imports them.
"""
