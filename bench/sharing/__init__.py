"""Sharings, one file each, from every task on its own to everything in common."""
