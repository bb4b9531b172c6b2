"""Weightings, one file each: how T losses become one step."""
