"""Tagging the sentences of corpora that the user has."""

from suites.corpus.suite import Corpus

__all__ = ["Corpus"]
