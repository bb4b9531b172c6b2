"""Engines run specifications somewhere; they know nothing of methods, data or scores."""

from bench.engines.engine import Engine, Local
from bench.engines.events import Cell, Ended, Event, Progressed

__all__ = ["Cell", "Ended", "Engine", "Event", "Local", "Progressed"]
