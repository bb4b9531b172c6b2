"""The one import for plug-ins: the abstractions and the registry.

from bench.api import Blueprint, Sharing, register
"""

from annotated_types import Ge, Gt, Interval, Le, Lt

from bench.core.constraint import Constraint, Coupled
from bench.core.data import Batch, Dataset, Transform, by_input
from bench.core.sharing import Blueprint, ParameterGroup, Sharing, aligned, refuse_many_inputs, run_stages
from bench.core.state import Phase, StepState, TrainState
from bench.core.suite import Split, Stage, Suite, scaled
from bench.core.task import Classification, Regression, Shape, Task, TaskMetric
from bench.core.weighting import Weighting
from bench.errors import DataMissing, UsageError
from bench.records import Protocol, derive_seed, digest
from bench.registry import register
from bench.schema import Replaces
from bench.scores import ANGLE_BIN, ANGLE_BINS, pack_histogram

__all__ = [
    "ANGLE_BIN",
    "ANGLE_BINS",
    "Batch",
    "Blueprint",
    "Classification",
    "Constraint",
    "Coupled",
    "DataMissing",
    "Dataset",
    "Ge",
    "Gt",
    "Interval",
    "Le",
    "Lt",
    "ParameterGroup",
    "Phase",
    "Protocol",
    "Regression",
    "Replaces",
    "Shape",
    "Sharing",
    "Split",
    "Stage",
    "StepState",
    "Suite",
    "Task",
    "TaskMetric",
    "TrainState",
    "Transform",
    "UsageError",
    "Weighting",
    "aligned",
    "by_input",
    "derive_seed",
    "digest",
    "pack_histogram",
    "refuse_many_inputs",
    "register",
    "run_stages",
    "scaled",
]
