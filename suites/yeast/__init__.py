"""Functions of yeast genes, or another table of features and sets of labels, as a binary task for each label."""

from suites.yeast.suite import LabelTableSuite

__all__ = ["LabelTableSuite"]
