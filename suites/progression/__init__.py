"""A score of patients at six visits of four years, from biomarkers at the first: a regression for each visit."""

from suites.progression.suite import Progression

__all__ = ["Progression"]
