"""Tagging sentences of a generated language: parts of speech, chunks, names and roles."""

from suites.tagging.suite import Tagging

__all__ = ["Tagging"]
