"""Linear regressions whose tasks are related in a known way, one assumption for each truth."""

from suites.linear_synthetic.suite import LinearSynthetic

__all__ = ["LinearSynthetic"]
