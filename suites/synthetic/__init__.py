"""Regression tasks with a dial for relatedness and a known Bayes error."""

from suites.synthetic.suite import Synthetic

__all__ = ["Synthetic"]
