"""Constraints, one file each: what holds the copies of a parameter together.

Each registers itself under the name after the `+`; nothing lists them. Of the project they import `bench.api` and
`bench.toolbox` only. In docstrings W holds the T copies, tasks last, and v is the strength.
"""
