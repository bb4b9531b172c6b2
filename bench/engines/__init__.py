"""Engines run specifications somewhere: on this machine, on a Ray cluster or as Slurm jobs.

An engine schedules cells, reports their progress and replaces workers that were lost. It knows nothing of methods, data
or scores: what a cell does is the `Cell` that the commands in `bench.execution` hand over.
"""

from bench.engines.engine import Engine, Local
from bench.engines.events import Cell, Ended, Event, Progressed

__all__ = ["Cell", "Ended", "Engine", "Event", "Local", "Progressed"]
