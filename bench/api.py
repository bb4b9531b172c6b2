"""The contract in one import, for methods and suites of ours and of others.

from bench.api import Blueprint, Sharing, register

Mathematics that several methods use (layers, proximal operators, spectra) is in `bench.toolbox`, which plug-ins may
import too.
"""

from annotated_types import Ge, Gt, Interval, Le, Lt

from bench.catalogue.backbone import read_backbone
from bench.catalogue.options import Added, Infinite, Replaces, Search
from bench.catalogue.registry import find_kinds, register
from bench.core.backbone import Backbone, InputForm, refuse_width, require_image
from bench.core.constraint import Constraint, Coupled, Schedule, refuse_infinite
from bench.core.data import Affine, Batch, Dataset, LogRate, Transform, group_by_input
from bench.core.joint import JointMetric, MultiLabel, OneAgainstRest
from bench.core.levels import OrdinalLevels, PoissonCounts
from bench.core.losses import (
    MaskedLoss,
    average_labelled,
    bce_loss,
    cross_entropy_loss,
    huber_loss,
    l1_loss,
    mse_loss,
    poisson_loss,
)
from bench.core.missing import find_labelled, find_labelled_rows
from bench.core.modules import Modules
from bench.core.new_rows import NewRows
from bench.core.self_fitting import Found, OnStep, SelfFitting
from bench.core.sharing import (
    Blueprint,
    ParameterGroup,
    Sharing,
    align_copies,
    refuse_many_inputs,
    run_stages,
    split_stages,
)
from bench.core.state import Phase, StepState, TrainState
from bench.core.strength import LayerwiseNorm, NormConstraint, resolve_strength
from bench.core.suite import Split, Stage, Suite, scale_channels
from bench.core.task import Classification, Explained, Ranking, Regression, Shape, Task, TaskMetric
from bench.core.weighting import GramianWeighting, Scalarised, Weighting, call_solver, clamp_losses
from bench.errors import DataMissing, UsageError
from bench.records import Protocol, derive_seed, digest, explain_invalid
from bench.records.sheet import Sheet
from bench.scores import ANGLE_BIN, ANGLE_BINS, Kind, Metric, pack_histogram, register_kind

__all__ = [
    "ANGLE_BIN",
    "ANGLE_BINS",
    "Added",
    "Affine",
    "Backbone",
    "Batch",
    "Blueprint",
    "Classification",
    "Constraint",
    "Coupled",
    "DataMissing",
    "Dataset",
    "Explained",
    "Found",
    "Ge",
    "GramianWeighting",
    "Gt",
    "Infinite",
    "InputForm",
    "Interval",
    "JointMetric",
    "Kind",
    "LayerwiseNorm",
    "Le",
    "LogRate",
    "Lt",
    "MaskedLoss",
    "Metric",
    "Modules",
    "MultiLabel",
    "NewRows",
    "NormConstraint",
    "OnStep",
    "OneAgainstRest",
    "OrdinalLevels",
    "ParameterGroup",
    "Phase",
    "PoissonCounts",
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
    "align_copies",
    "average_labelled",
    "bce_loss",
    "call_solver",
    "clamp_losses",
    "cross_entropy_loss",
    "derive_seed",
    "digest",
    "explain_invalid",
    "find_kinds",
    "find_labelled",
    "find_labelled_rows",
    "group_by_input",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "pack_histogram",
    "poisson_loss",
    "read_backbone",
    "refuse_infinite",
    "refuse_many_inputs",
    "refuse_width",
    "register",
    "register_kind",
    "require_image",
    "resolve_strength",
    "run_stages",
    "scale_channels",
    "split_stages",
]
