"""Two overlapping handwritten digits from scikit-learn's bundled scans; needs no download."""

from suites.multidigits.suite import MultiDigits

__all__ = ["MultiDigits"]
