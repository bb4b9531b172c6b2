"""Landmines in radar images of 29 fields, a classification for each field."""

from suites.landmine.suite import Landmine

__all__ = ["Landmine"]
