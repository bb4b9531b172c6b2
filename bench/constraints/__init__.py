"""Constraints, one file each: what holds the copies of a parameter together."""
