"""Linear regressions whose tasks are related in a known way: which assumption wins where."""

from suites.linear_synthetic.suite import LinearSynthetic

__all__ = ["LinearSynthetic"]
