"""Regression tasks over hidden features, of which it is known beforehand what sharing does for them."""

from suites.deep_synthetic.suite import DeepSynthetic

__all__ = ["DeepSynthetic"]
