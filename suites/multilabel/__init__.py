"""Sets of labels as binary tasks, whose correlation given the inputs is a dial."""

from suites.multilabel.suite import LabelSets

__all__ = ["LabelSets"]
