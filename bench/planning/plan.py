"""From what a user writes to the specifications of runs."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import torch
from pydantic import ValidationError

from bench.catalogue.method import BASE_OF_WEIGHTINGS, DEFAULT_WEIGHTING, Method
from bench.catalogue.options import write
from bench.catalogue.registry import Choice, Entry, choose, entries
from bench.core.constraint import Coupled
from bench.core.labels import check_labels
from bench.core.replicas import Replicas
from bench.core.self_fitting import SelfFitting
from bench.core.sharing import Sharing, collect_groups, learning_copies
from bench.core.suite import Split, Suite
from bench.errors import UsageError, hint
from bench.linear.form import linear_form
from bench.records import Protocol, RunSpec, digest, explain_invalid, parse_call
from bench.records.record import MAX_BYTES
from bench.scores import unknown_kinds

FIXED = {
    "name",
    "version",
    "splits",
    "split_rule",
    "metrics",
    "initialisation",
    "selection",
    "ranked",
    "device",
    "augmentation",
    "fit",
    "loss",
    "overlapping",
}
_OF_DESCENT = {  # what a solver does not read
    *("optimiser", "lr", "momentum", "betas", "weight_decay", "schedule", "decay_every", "decay_factor", "clip_norm"),
    *("batch_size", "members", "loss_reduction", "trunk_lr_rule", "trunk_lr", "trunk_weight_decay", "replica"),
    *("precision", "memory_format"),
}
RULES = ("val", "per_task", "last")  # of selection, each with statistics of its own
_OF_SOLVER = {"folds", "strengths", "span", "tolerance"}
_NO_EFFECT = {  # setting -> the other setting, and the value without which it does nothing
    "momentum": ("optimiser", "sgd"),
    "betas": ("optimiser", "adam"),
    "decay_every": ("schedule", "step"),
    "decay_factor": ("schedule", "step"),
}


def parse_suite(text: str, data_dir: Path | None = None) -> tuple[Choice, Suite]:
    """Resolve a suite as written, and make it. Raises UsageError with one sentence."""
    choice = choose("suite", parse_call(text))
    return choice, choice.build(data_dir)


def suite_under_protocol(suite: Suite, protocol: Protocol) -> Suite:
    """The suite as a run under `protocol` sees it: with replicas of a task where the protocol says so."""
    return Replicas(suite, protocol.replica) if protocol.replica else suite


def override(protocol: Protocol, settings: Mapping[str, str]) -> tuple[Protocol, dict[str, str]]:
    """The protocol with `settings` applied, and those of them that changed it."""
    changeable = sorted(set(Protocol.model_fields) - FIXED)
    for key in settings:
        if key not in changeable:
            raise UsageError(
                f"The protocol has no setting `{key}`; {hint(key, changeable, 'mtlbench protocol SUITE')}."
            )
        if key in (_OF_DESCENT if protocol.fit == "solver" else _OF_SOLVER):
            raise UsageError(
                f"`{key}` has no effect on this suite, whose models are fitted by "
                f"{'a solver' if protocol.fit == 'solver' else 'descent'}."
            )
        if (
            key in _NO_EFFECT
            and (settings.get(_NO_EFFECT[key][0]) or getattr(protocol, _NO_EFFECT[key][0])) != (_NO_EFFECT[key][1])
        ):
            raise UsageError(
                f"`{key}` has an effect only with `{'='.join(_NO_EFFECT[key])}`; this protocol has another."
            )
    values: dict[str, Any] = protocol.model_dump()
    for key, text in settings.items():
        is_list = get_origin(Protocol.model_fields[key].annotation) is tuple
        values[key] = None if text == "none" else text.split("/") if is_list else text
    try:
        changed = Protocol.model_validate(values)
    except ValidationError as error:
        raise UsageError(explain_invalid(error)) from None
    return changed, {
        key: write(getattr(changed, key))  # one text per value: `0.010` and `1e-2` are one run
        for key in sorted(settings)
        if getattr(changed, key) != getattr(protocol, key)
    }


def resolve_device(device: str) -> str:
    """`cpu` or `cuda`, where `auto` is cuda if there is one here."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def plan(
    suite_text: str,
    methods: Iterable[str],
    seeds: Iterable[int],
    settings: Mapping[str, str] | None = None,
    device: str = "auto",
    data_dir: Path | None = None,
    tested: bool = True,
) -> list[RunSpec]:
    """One specification per method and seed, method by method.

    Every method is built once on the suite, and labels are looked for in every split (in that of the
    test where runs are `tested`), so that what cannot run is refused before anything is written.
    Raises UsageError for what the user wrote, DataMissing where the data is not there.
    """
    choice, suite = parse_suite(suite_text, data_dir)
    protocol, overrides = override(suite.protocol, settings or {})
    suite = suite_under_protocol(suite, protocol)
    metrics = suite.protocol.metrics
    if unknown := unknown_kinds(metrics):
        raise UsageError(unknown)
    device = "cpu" if protocol.fit == "solver" and device == "auto" else device
    protocol = protocol.model_copy(update={"device": resolve_device(device), "metrics": metrics})
    _check_room(choice.short, suite)
    resolved = list({m.canonical: m for m in map(Method.parse, methods)}.values())
    for method in resolved:
        validate_method(method, suite, protocol)
    data, seeds = digest(suite.checksums()), list(seeds)
    splits = tuple(s for s in get_args(Split) if s in protocol.splits and (tested or s != "test"))
    _check_splits(choice.entry, choice.canonical, data_dir, data, splits, seeds[0] if seeds else 0)
    code = {choice.entry.part: choice.entry.code} if choice.entry.code else {}
    return [
        RunSpec(
            suite=choice.canonical,
            method=method.canonical,
            seed=seed,
            protocol=protocol,
            versions={choice.entry.part: choice.entry.version, **method.versions},
            data=data,
            overrides=overrides,
            code=code | method.code,
        )
        for method in resolved
        for seed in seeds
    ]


def _check_room(name: str, suite: Suite) -> None:
    """Raise UsageError where the confusion matrices alone fill a record: that would be said after training only."""
    metrics = {task.reported: task.metric() for task in suite.tasks}
    classes = {task: getattr(metric, "classes", 0) for task, metric in metrics.items()}
    least = 3 * len(RULES) * sum(count**2 for count in classes.values())  # bytes: a digit, a comma, a space
    if least > MAX_BYTES:
        largest = max(classes, key=lambda task: classes[task])
        raise UsageError(
            f"The confusion matrices of a run should fit into a record of {MAX_BYTES >> 10} KiB. Found "
            f"{classes[largest]} classes in task `{largest}` of `{name}`, {least >> 10} KiB in all; give it a metric "
            "with smaller statistics."
        )


@cache
def _check_splits(
    entry: Entry, suite: str, data_dir: Path | None, data: str, splits: tuple[Split, ...], seed: int
) -> None:
    """`check_labels` of splits, once for data with the checksum `data`; suites differ by `entry` and options."""
    _, built = parse_suite(suite, data_dir)
    for split in splits:
        check_labels(built, split, built.dataset(split, seed))


def method_names() -> list[str]:
    """One of each: every sharing, `soft` with every constraint, `hard` with every weighting."""
    sharings = entries("sharing")
    plain = [name for name, entry in sharings.items() if not entry.cls.needs_constraint]  # type: ignore[attr-defined]
    held = [name for name in sharings if name not in plain]
    return [
        *plain,
        *(f"{name}+{constraint}" for name in held for constraint in entries("constraint")),
        *(
            f"{BASE_OF_WEIGHTINGS}@{weighting}"
            for weighting in entries("weighting")
            if weighting != DEFAULT_WEIGHTING.name
        ),
    ]


def all_methods(suite_text: str, data_dir: Path | None = None) -> list[str]:
    """`method_names` without those that do not support the suite."""
    _, suite = parse_suite(suite_text, data_dir)
    supported = []
    for name in method_names():
        try:
            validate_method(Method.parse(name), suite, suite.protocol)
        except UsageError:
            continue
        supported.append(name)
    return supported


def validate_method(method: Method, suite: Suite, protocol: Protocol) -> None:
    """Build every part of `method` once. Raises UsageError where an option does not fit."""
    sharing = method.build_sharing(suite, seed=0)
    method.weighting.build([task.name for task in suite.tasks])
    if protocol.fit == "solver":
        check_linear(method, sharing, suite, protocol)
        return
    collect_groups(sharing, protocol.optimiser)
    if method.constraint:
        copies = next(iter(learning_copies(sharing).values()))
        method.constraint.build(Coupled(tuple(copies[0].shape), len(copies), protocol.lr))


def check_linear(method: Method, sharing: Sharing, suite: Suite, protocol: Protocol) -> None:
    """Raise UsageError, with one sentence, where no solver can fit the method."""
    from bench.linear.family import PenaltyFamily

    form = None if isinstance(sharing, SelfFitting) else linear_form(sharing, suite)
    if form is None and not isinstance(sharing, SelfFitting):
        raise UsageError(
            f"`{method.sharing.short}` has more than weights and intercepts, tasks' own or shared, which is what a "
            "solver can fit."
        )
    if form and not all(parameter.requires_grad for parameter in sharing.parameters()):
        raise UsageError("A solver sets every weight and intercept of a linear backbone. Found frozen ones; free them.")
    if protocol.device != "cpu":
        raise UsageError("A solver should be run with `--device cpu`. Found `cuda`.")
    if method.weighting.short != str(DEFAULT_WEIGHTING):
        raise UsageError(
            f"A solver minimises the sum over all rows, which has no weights; leave out `@{method.weighting.short}`."
        )
    if method.constraint and form:
        if not form.held:
            raise UsageError(f"`{method.short}` leaves nothing for `{method.constraint.short}` to hold.")
        if form.tied and protocol.loss != "squared":
            raise UsageError("A constraint on intercepts alone can be solved for squared loss only.")
        copies = form.held
        PenaltyFamily(method.constraint, Coupled(tuple(copies[0].shape), len(copies), protocol.lr)).penalty({})
