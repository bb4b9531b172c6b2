"""Engines run specifications somewhere; they know nothing of methods, data or scores."""

from bench.engines.events import Ended, Event, Progressed

__all__ = ["Ended", "Event", "Progressed"]
