"""NYUv2, from any of the forms in which people have it."""

from suites.nyuv2.suite import NYUv2

__all__ = ["NYUv2"]
