"""Exam scores of pupils in 139 schools, a regression for each school."""

from suites.school.suite import School

__all__ = ["School"]
