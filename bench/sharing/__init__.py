"""Sharings, one file each, from every task on its own to everything in common.

Each registers itself under the name that the command line uses; nothing lists them. Of the project they import
`bench.api` and `bench.toolbox` only, and `m3t` the solver of `bench.linear`, with which it begins.
"""
