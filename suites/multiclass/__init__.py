"""Ten handwritten digits as one task of ten classes, or as ten tasks of one class against the rest."""

from suites.multiclass.suite import DigitClasses

__all__ = ["DigitClasses"]
