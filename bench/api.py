"""The one import for plug-ins: the abstractions and the registry.

from bench.api import Blueprint, Sharing, register
"""

from annotated_types import Ge, Gt, Interval, Le, Lt

from bench.catalogue.options import Added, Infinite, Replaces, Search
from bench.catalogue.registry import register
from bench.core.constraint import Constraint, Coupled, Schedule, refuse_infinite
from bench.core.data import Batch, Dataset, Transform, by_input
from bench.core.self_fitting import Found, OnStep, SelfFitting
from bench.core.sharing import Blueprint, ParameterGroup, Sharing, aligned, pieces, refuse_many_inputs, run_stages
from bench.core.state import Phase, StepState, TrainState
from bench.core.strength import NormConstraint, resolve_strength
from bench.core.suite import Split, Stage, Suite, scaled
from bench.core.task import Classification, Explained, Ranking, Regression, Shape, Task, TaskMetric
from bench.core.weighting import GramianWeighting, Scalarised, Weighting, positive, with_solver
from bench.errors import DataMissing, UsageError
from bench.records import Protocol, derive_seed, digest
from bench.records.sheet import Sheet
from bench.scores import ANGLE_BIN, ANGLE_BINS, Kind, Metric, pack_histogram, register_kind
from bench.toolbox.bargaining import bargain
from bench.toolbox.gaussian_process import Process, ProcessRows, evidence_of, maximise_evidence
from bench.toolbox.layers import (
    Gate,
    can_carry,
    carried,
    gumbel_choice,
    linear_map,
    pointwise,
    pooled,
    pooled_size,
    weighted,
)
from bench.toolbox.proxes import (
    clip_to_ball,
    largest_group,
    scale_singular,
    shrink_groups,
    shrink_singular,
    shrink_singular_squared,
    singular_values,
    spectral_norm,
)
from bench.toolbox.spectra import gram_eigen, mixed, sqrt_psd, trace_norm, unfoldings, water_filling
from bench.toolbox.spectral_box import SpectralBox

__all__ = [
    "ANGLE_BIN",
    "ANGLE_BINS",
    "Added",
    "Batch",
    "Blueprint",
    "Classification",
    "Constraint",
    "Coupled",
    "DataMissing",
    "Dataset",
    "Explained",
    "Found",
    "Gate",
    "Ge",
    "GramianWeighting",
    "Gt",
    "Infinite",
    "Interval",
    "Kind",
    "Le",
    "Lt",
    "Metric",
    "NormConstraint",
    "OnStep",
    "ParameterGroup",
    "Phase",
    "Process",
    "ProcessRows",
    "Protocol",
    "Ranking",
    "Regression",
    "Replaces",
    "Scalarised",
    "Schedule",
    "Search",
    "SelfFitting",
    "Shape",
    "Sharing",
    "Sheet",
    "SpectralBox",
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
    "bargain",
    "by_input",
    "can_carry",
    "carried",
    "clip_to_ball",
    "derive_seed",
    "digest",
    "evidence_of",
    "gram_eigen",
    "gumbel_choice",
    "largest_group",
    "linear_map",
    "maximise_evidence",
    "mixed",
    "pack_histogram",
    "pieces",
    "pointwise",
    "pooled",
    "pooled_size",
    "positive",
    "refuse_infinite",
    "refuse_many_inputs",
    "register",
    "register_kind",
    "resolve_strength",
    "run_stages",
    "scale_singular",
    "scaled",
    "shrink_groups",
    "shrink_singular",
    "shrink_singular_squared",
    "singular_values",
    "spectral_norm",
    "sqrt_psd",
    "trace_norm",
    "unfoldings",
    "water_filling",
    "weighted",
    "with_solver",
]
