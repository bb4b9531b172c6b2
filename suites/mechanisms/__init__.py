"""Caruana's mechanisms of why learning tasks together helps, as generated data of which the truth is known."""

from suites.mechanisms.suite import Mechanisms

__all__ = ["Mechanisms"]
