"""Sharings, one file each, from every task on its own to everything in common.

Each registers itself under the name that the command line uses; nothing lists them. They import `bench.api` only, as a
plug-in does.
"""
