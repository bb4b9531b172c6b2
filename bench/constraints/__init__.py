"""Constraints, one file each: what holds the copies of a parameter together.

Each registers itself under the name after the `+`; nothing lists them. They import `bench.api` only, as a plug-in does.
In docstrings W holds the T copies, tasks last, and v is the strength.
"""
