"""A longitudinal table of the user's own: a score at scheduled visits, from features at the first."""

from suites.visits.suite import Visits

__all__ = ["Visits"]
