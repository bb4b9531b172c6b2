"""The protocol of a suite, as data: everything about training and scoring that is not the method."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bench.errors import UsageError, hint

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=10**15)]  # products of a few of them still have a text


@dataclass(frozen=True)
class FieldUse:
    """What a run does with a field of the protocol: a mark on the field, which is no part of a record or a digest.

    fixed: it belongs to the suite, and `--set` does not change it.
    fit: the only way of fitting that reads it; None where both do.
    only: (another field, its value) without which this one does nothing.
    """

    fixed: bool = False
    fit: Literal["descent", "solver"] | None = None
    only: tuple[str, str] | None = None


FIXED = FieldUse(fixed=True)
DESCENT = FieldUse(fit="descent")
SOLVER = FieldUse(fit="solver")


class Protocol(BaseModel):
    """A frozen, versioned description of how a suite is trained, selected and scored.

    It is hashed into every run id. A change on the command line (`--set lr=0.01`) makes another run
    id and keeps the run off every board.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Annotated[str, FIXED]
    version: Annotated[Count, FIXED]
    splits: Annotated[dict[str, Count], FIXED] = Field(description="rows in train, val and test")
    split_rule: Annotated[str, FIXED] = Field(description="how the rows were divided")
    epochs: Count = Field(
        description="epochs of the budget; one epoch is `steps_per_epoch` updates, whatever the training set's size"
    )
    steps_per_epoch: Count = Field(description="updates between two evaluations on validation")
    batch_size: Annotated[Count, DESCENT] = Field(
        description="rows of one update, over all inputs; the last partial batch of a pass is dropped"
    )
    optimiser: Annotated[Literal["adam", "sgd"], DESCENT]
    lr: Annotated[Positive, DESCENT] = Field(description="learning rate of towers and heads")
    momentum: Annotated[Momentum, FieldUse(fit="descent", only=("optimiser", "sgd"))] = Field(
        default=0.0, description="of sgd"
    )
    betas: Annotated[tuple[Momentum, Momentum], FieldUse(fit="descent", only=("optimiser", "adam"))] = Field(
        default=(0.9, 0.999), description="of adam"
    )
    weight_decay: Annotated[NonNegative, DESCENT] = Field(
        default=0.0, description="added to the gradient (not decoupled); never on coupling parameters"
    )
    schedule: Annotated[Literal["constant", "cosine", "step"], DESCENT] = Field(
        description="of the learning rate, per update; starts anew in each phase of a method"
    )
    decay_every: Annotated[Count, FieldUse(fit="descent", only=("schedule", "step"))] = Field(
        default=1, description="epochs between two drops of the step schedule"
    )
    decay_factor: Annotated[Positive, FieldUse(fit="descent", only=("schedule", "step"))] = Field(
        default=1.0, description="factor of one drop of the step schedule"
    )
    clip_norm: Annotated[Positive | None, DESCENT] = Field(
        default=None, description="largest norm of the whole gradient; the same for every method"
    )
    augmentation: Annotated[Literal["none", "consistent", "mtan"], FieldUse(fixed=True, fit="descent")] = Field(
        default="none",
        description="of training images: `consistent` crops by 1, 1.2 or 1.5 and flips, depth and normals transformed "
        "with the scene; `mtan` is the published form, which leaves normals as they are",
    )
    tasks: tuple[str, ...] = Field(
        default=(),
        description="those of the suite that are learnt, each scored by itself; empty for all of them, scored as the "
        "suite says. Rows of an update stay as many for each task as beside all others",
    )
    shuffled: tuple[str, ...] = Field(
        default=(),
        description="tasks whose training targets are dealt out anew among the rows, by one permutation for all of "
        "them: what they then give to the others is not information",
    )
    smoothed: tuple[str, ...] = Field(
        default=(),
        description="tasks whose training targets are dealt out along random smooth functions of the inputs, one for "
        "each task: they can be learnt, and say nothing about another task",
    )
    noised: Annotated[tuple[str, ...], DESCENT] = Field(
        default=(),
        description="tasks that train heads of their own, and send noise to all else: on its way from such a head "
        "every row's gradient gets a random sign, which leaves its second moment and takes its mean",
    )
    restart: Annotated[int, Field(ge=0, lt=10**6), DESCENT] = Field(
        default=0,
        description="a further draw of weights and of the order of batches, on the data of the seed; 0 is the first",
    )
    replica: Annotated[str, DESCENT] = Field(
        default="",
        description="the task that stands in the place of every other: T copies of it, each with a head of its own, "
        "which add updates to the trunk and no information",
    )
    labels: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="share of the training labels that each task keeps, at least one; the others are as if they had "
        "never been there. Validation and test keep all",
    )
    labels_by: Literal["random", "same", "block"] = Field(
        default="random",
        description="which labels are kept: `random`, drawn for each seed and task; `same`, drawn for each seed, those "
        "of the same rows for all tasks on one input; `block`, one stretch of the rows for each task, spread evenly: T "
        "tasks with 1/T of the labels have no labelled row in common",
    )
    batches: Annotated[Literal["random", "labelled"], DESCENT] = Field(
        default="random",
        description="rows of an update: `random`, of the input; `labelled`, in equal parts from the labelled rows of "
        "each task, so that every batch has labels of every task, and those of few labels come more often",
    )
    members: Annotated[Count, DESCENT] = Field(
        default=1,
        description="models trained apart, from weights and batches of their own, each kept at its own epoch; on the "
        "test split their head outputs are averaged. Curves, matrices and selection are those of the first",
    )
    loss_reduction: Annotated[Literal["sum", "mean"], DESCENT] = Field(
        default="sum",
        description="of the weighted task losses, with what the weighting adds; separate models always keep weight 1",
    )
    trunk_lr_rule: Annotated[Literal["sum", "mean"], DESCENT] = Field(
        default="sum", description="`mean` divides the rate of parameters shared by T tasks by T"
    )
    trunk_lr: Annotated[Positive, DESCENT] = Field(
        default=1.0, description="a further factor on the rate of shared parameters"
    )
    trunk_weight_decay: Annotated[NonNegative, DESCENT] = Field(
        default=1.0, description="a factor on the weight decay of shared parameters"
    )
    width: Annotated[Positive, DESCENT] = Field(
        default=1.0, description="a factor on the channels of every stage of the backbone, beside a method's own"
    )
    coordinates: Annotated[Literal["copies", "mean"], DESCENT] = Field(
        default="copies",
        description="of copies that a constraint holds, as the optimiser sees them: `copies`, each by itself; `mean`, "
        "their mean, at the rate of a trunk, and the deviations from it, which are all that the constraint then holds: "
        "tied copies are `hard` under any optimiser; see docs/protocol.md",
    )
    initialisation: Annotated[str, FIXED] = Field(
        default="torch defaults; one stream per module, the same for every method of a seed",
        description="of weights",
    )
    selection: Annotated[Literal["val", "last", "cv"], FIXED] = Field(
        default="val",
        description="`val`: a joint model keeps the epoch with the least sum of log validation errors, separate models "
        "keep their own best, and `per_task` and `last` are stored beside it; `last`: no validation split; "
        "`cv`: options by cross-validation inside the training part, and no epochs to choose from; stored as `val`",
    )
    fit: Annotated[Literal["descent", "solver"], FIXED] = Field(
        default="descent",
        description="`descent`: by the optimiser, update by update; `solver`: models are linear, and a solver finds "
        "the minimum of losses, summed over rows, plus constraint, in `epochs` times `steps_per_epoch` iterations at "
        "most. Models without a constraint have weight decay on their weights, of a strength that is chosen",
    )
    loss: Annotated[Literal["squared", "logistic"], FieldUse(fixed=True, fit="solver")] = Field(
        default="squared", description="of a solver: (y - z)^2 / 2, or log(1 + e^z) - y z with y 0 or 1"
    )
    folds: Annotated[int, Field(ge=2), SOLVER] = Field(
        default=5,
        description="of cross-validation inside the training part, by which a solver's strengths, and options with a "
        "list of choices, are chosen where they stand at their defaults",
    )
    strengths: Annotated[Count, SOLVER] = Field(
        default=20, description="of a solver's path, falling evenly in logarithms"
    )
    span: Annotated[float, Field(gt=0, lt=1), SOLVER] = Field(
        default=1e-3,
        description="the last strength of a path, over the one at which a norm drops everything, or at which another "
        "penalty has the curvature of the loss (the path of those begins ten times above it)",
    )
    tolerance: Annotated[Positive, SOLVER] = Field(
        default=1e-8, description="of a solver's certificate: relative duality gap of norms, residual of the others"
    )
    overlapping: Annotated[bool, FIXED] = Field(
        default=False,
        description="whether seeds are random splits of the same rows: what they give is correlated, and intervals are "
        "corrected for it (Nadeau, Bengio 2003)",
    )
    ranked: Annotated[bool, FIXED] = Field(default=True, description="whether results may stand on a board")
    precision: Annotated[Literal["float32", "float64", "bf16", "tf32"], DESCENT] = Field(
        default="float32",
        description="of numbers. `bf16`: networks compute in bfloat16 on float32 parameters, losses and scores stay "
        "float32 (torch.autocast). `tf32`: float32, and a GPU multiplies with ten bits of mantissa; nowhere else",
    )
    device: Annotated[Literal["cpu", "cuda"], FIXED] = "cpu"
    devices: Annotated[Count, DESCENT] = Field(
        default=1,
        description="processes that train one model, each on a device and on its equal share of the rows of every "
        "update; sums are added in another order, which moves the last digits",
    )
    memory_format: Annotated[Literal["contiguous", "channels_last"], DESCENT] = "contiguous"
    metrics: Annotated[dict[str, str], FIXED] = Field(
        description="task -> kind of its statistics and metrics, as defined in bench.scores"
    )

    @field_validator("tasks")
    @classmethod
    def _sort_tasks(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        """One text for one choice of tasks: their order is the suite's own, whatever was written."""
        return tuple(sorted(set(tasks)))

    @model_validator(mode="after")
    def _fits(self) -> "Protocol":
        if missing := [split for split in ("train", "test") if split not in self.splits]:
            raise ValueError(f"`splits` should have the rows of `train` and `test`. Found none of `{missing[0]}`.")
        for setting in ("shuffled", "smoothed", "noised"):
            if unknown := [task for task in getattr(self, setting) if task not in self.metrics]:
                raise ValueError(
                    f"`{setting}` should name tasks of the suite ({', '.join(self.metrics)}). "
                    f"Found {', '.join(unknown)}."
                )
        if both := sorted({*self.shuffled} & {*self.smoothed}):
            raise ValueError(f"A task should be in one of `shuffled` and `smoothed`. Found {', '.join(both)} in both.")
        if self.replica and self.replica not in self.metrics:
            raise ValueError(f"`replica` should name a task ({', '.join(self.metrics)}). Found {self.replica}.")
        if self.labels == 1:  # one name for one run: there is nothing to choose
            object.__setattr__(self, "labels_by", "random")
        if self.batch_size % self.devices:
            raise ValueError(
                f"`devices` should divide the rows of an update, {self.batch_size}. Found `devices = {self.devices}`."
            )
        return self

    @property
    def updates(self) -> int:
        """The whole budget in optimiser updates, warm starts and restarts included."""
        return self.epochs * self.steps_per_epoch

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules of selection that a run under it has.

        Without a validation split nothing can be chosen by it; a solver has no epochs to choose from.
        """
        return {"last": ("last",), "cv": ("val",)}.get(self.selection, ("val", "per_task", "last"))

    @property
    def overlap(self) -> float:
        """Test rows per training row where seeds are random splits of the same rows, by which intervals are corrected.

        0 for other seeds.
        """
        return self.splits["test"] / self.splits["train"] if self.overlapping else 0.0


def check_setting(key: str) -> None:
    """Raise UsageError, with the nearest ones, where `key` is none of the fields that `--set` changes."""
    changeable = sorted(name for name in Protocol.model_fields if not find_use(name).fixed)
    if key not in changeable:
        raise UsageError(f"The protocol has no setting `{key}`; {hint(key, changeable, 'mtlbench protocol SUITE')}.")


def find_use(name: str) -> FieldUse:
    """The mark of a field; one without is read by every way of fitting. Raises KeyError where there is no field."""
    marks = [mark for mark in Protocol.model_fields[name].metadata if isinstance(mark, FieldUse)]
    return marks[0] if marks else FieldUse()
