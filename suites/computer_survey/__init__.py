"""How likely people are to buy computers, a regression for each person."""

from suites.computer_survey.suite import ComputerSurvey

__all__ = ["ComputerSurvey"]
