"""Plans: from what a user writes to the specifications of runs, with everything refused that cannot run.

A suite is built and its data looked up here, so that a typing mistake costs seconds and not a night.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import torch
from pydantic import ValidationError

from bench.catalogue.method import DEFAULT_WEIGHTING, Method
from bench.catalogue.options import write
from bench.catalogue.own_sets import choose_suite
from bench.catalogue.registry import Choice, Entry, list_entries
from bench.catalogue.short_form import parse_short_call
from bench.core.constraint import Coupled
from bench.core.labels import check_labels
from bench.core.replicas import Replicas
from bench.core.sharing import Sharing, collect_groups, learning_copies
from bench.core.suite import Split, Suite, explain_unlike_metrics, widen_suite
from bench.core.task_choice import select_tasks
from bench.core.thinning import thin_suite
from bench.errors import UsageError
from bench.linear.form import read_linear_form
from bench.records import Call, Protocol, RunSpec, complete_method, digest, explain_invalid
from bench.records.protocol import check_setting, find_use
from bench.records.record import MAX_BYTES
from bench.scores import explain_unknown_kinds

RULES = ("val", "per_task", "last")  # of selection, each with statistics of its own


def parse_suite(text: str, data_dir: Path | None = None, version: int | None = None) -> tuple[Choice, Suite]:
    """Resolve a suite as written, registered or an own data set, and make it.

    text: as `synthetic:tasks=3`.
    data_dir: where its data is looked for; None for the default folder.
    version: of its protocol; None for the current one.

    Raises UsageError with one sentence, with the nearest valid name, option or version.
    """
    choice = choose_suite(parse_short_call(text), data_dir)
    suite: Suite = choice.build(data_dir)
    if version is not None:
        versions = {protocol.version: protocol for protocol in (*suite.earlier_protocols, suite.protocol)}
        if version not in versions:
            known = " or ".join(map(str, sorted(versions)))
            raise UsageError(f"The protocol of `{choice.short}` should be of version {known}. Found `{version}`.")
        suite.protocol = versions[version]
    return choice, suite


def suite_under_protocol(suite: Suite, protocol: Protocol) -> Suite:
    """The suite as a run under `protocol` sees it.

    With a share of its training labels, of fewer tasks, wider or narrower, with replicas, where that says so.
    """
    # First, so that a task has the same labels whichever tasks are beside it; replicas are copies of them.
    suite = thin_suite(suite, protocol.labels, protocol.labels_by)
    suite = select_tasks(suite, protocol.tasks)
    if protocol.fit == "descent":  # a solver's models are linear, and have no channels
        suite = widen_suite(suite, protocol.width)
    return Replicas(suite, protocol.replica) if protocol.replica else suite


def override(protocol: Protocol, settings: Mapping[str, str]) -> tuple[Protocol, dict[str, str]]:
    """The protocol with `settings` applied, and those of them that changed it, as text.

    Settings are key -> text, as `--set` has them; `none` is None, and lists are joined by '/'.

    Raises:
        UsageError: an unknown setting, one that says what the suite is, one without effect under this
            protocol, or a value that does not fit.
    """
    for key in settings:
        check_setting(key)
        use = find_use(key)
        if use.fit not in (None, protocol.fit):
            raise UsageError(
                f"`{key}` has no effect on this suite, whose models are fitted by "
                f"{'a solver' if protocol.fit == 'solver' else 'descent'}."
            )
        if use.only:
            other, value = use.only
            if (settings.get(other) or getattr(protocol, other)) != value:
                raise UsageError(f"`{key}` has an effect only with `{other}={value}`; this protocol has another.")
    values: dict[str, Any] = protocol.model_dump()  # texts are put among them, and pydantic reads those
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
    """`cpu` or `cuda`; `auto` is cuda where this machine has a device for it."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def plan(
    suite_text: str,
    methods: Iterable[str],
    seeds: Iterable[int],
    settings: Mapping[str, str] | None = None,
    device: str = "auto",
    data_dir: Path | None = None,
    tested: bool = True,
    version: int | None = None,
) -> list[RunSpec]:
    """One specification per method and seed, method by method; equal methods are planned once.

    Every method is built once on the suite, and labels are looked for in every split (in that of the
    test where runs are `tested`), so that what cannot run is refused before anything is written.

    Args:
        suite_text: the suite as written.
        methods: as written.
        seeds: of the runs, each of them for every method.
        settings: changes to the suite's protocol, key -> text.
        device: `cpu`, `cuda` or `auto`; a solver takes the CPU by itself.
        data_dir: where the data is looked for; None for the default folder.
        tested: whether runs are scored on the test split; trials of a search are not.
        version: of the suite's protocol; None for the current one.

    Raises:
        UsageError: what the user wrote does not fit.
        DataMissing: the data is not there.
    """
    choice, suite = parse_suite(suite_text, data_dir, version)
    if wrong := explain_unknown_kinds(suite.protocol.metrics) or explain_unlike_metrics(suite):
        raise UsageError(wrong)
    suite = select_tasks(suite, settings["tasks"].split("/"), count=True) if settings and "tasks" in settings else suite
    protocol, overrides = override(suite.protocol.model_copy(update={"tasks": ()}), settings or {})
    suite = suite_under_protocol(suite, protocol)
    metrics = suite.protocol.metrics
    protocol = protocol.model_copy(update={"metrics": metrics})
    _check_room(choice.short, suite)
    # By canonical text: `hard` and `hard@uniform` are one method.
    resolved = list({m.canonical: m for m in map(Method.parse, methods)}.values())
    protocols = [_place(method, protocol, device) for method in resolved]
    for method, placed in zip(resolved, protocols, strict=True):
        _check_overrides(method, overrides)
        validate_method(method, suite, placed)
    data, seeds = digest(suite.checksums()), list(seeds)
    splits = tuple(s for s in get_args(Split) if s in protocol.splits and (tested or s != "test"))
    _check_splits(choice.entry, choice.canonical, data_dir, data, splits, seeds[0] if seeds else 0)
    code = {choice.entry.part: choice.entry.code} if choice.entry.code else {}
    return [
        RunSpec(
            suite=choice.canonical,
            method=method.canonical,
            seed=seed,
            protocol=placed,
            versions={choice.entry.part: choice.entry.version, **method.versions},
            data=data,
            overrides=overrides,
            code=code | method.code,
        )
        for method, placed in zip(resolved, protocols, strict=True)
        for seed in seeds
    ]


def _place(method: Method, protocol: Protocol, device: str) -> Protocol:
    """`protocol` on the device that a method takes; `auto` is the CPU for one that is fitted to all rows at once.

    Float64 on small matrices has nothing to gain from a GPU.
    """
    chosen = "cpu" if device == "auto" and method.is_full_batch(protocol) else resolve_device(device)
    return protocol.model_copy(update={"device": chosen})


def _check_overrides(method: Method, overrides: Mapping[str, str]) -> None:
    """Raise UsageError where a changed setting, of updates, has no effect on a method that fits itself."""
    for key in overrides:
        if method.fits_itself and find_use(key).fit == "descent":
            raise UsageError(f"`{key}` has no effect on `{method.short}`, which is fitted to all rows at once.")


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
    """`check_labels` of splits, once in a process for data with the checksum `data`.

    Args:
        entry: the suite; with its options it tells cached suites apart.
        suite: its canonical text.
        data_dir: where the data is looked for.
        data: checksum, so that other data of the same suite is looked at again.
        splits: those that runs will read.
        seed: whose rows are looked at; of one seed only, since the others are drawn alike.
    """
    _, built = parse_suite(suite, data_dir)
    for split in splits:
        check_labels(built, split, built.dataset(split, seed))


def list_method_names() -> list[str]:
    """One of each: every sharing, `soft` with every constraint, `hard` with every weighting.

    A sharing that needs a constraint comes once for each of them, in place of by itself.
    """
    sharings = list_entries("sharing")
    plain = [name for name, entry in sharings.items() if not entry.cls.needs_constraint]  # type: ignore[attr-defined]
    held = [name for name in sharings if name not in plain]
    weightings = [name for name in list_entries("weighting") if name != DEFAULT_WEIGHTING.name]
    methods = [
        complete_method("constraint", Call(name), Call(tower)) for tower in held for name in list_entries("constraint")
    ]
    methods += [complete_method("weighting", Call(name)) for name in weightings]
    return [*plain, *map(str, methods)]


def list_supported_methods(suite_text: str, data_dir: Path | None = None) -> list[str]:
    """`list_method_names` without those that do not support the suite.

    Raises UsageError for a suite that is not known, never for a method.
    """
    _, suite = parse_suite(suite_text, data_dir)
    supported = []
    for name in list_method_names():
        try:
            validate_method(Method.parse(name), suite, suite.protocol)
        except UsageError:
            continue
        supported.append(name)
    return supported


def validate_method(method: Method, suite: Suite, protocol: Protocol) -> None:
    """Build every part of `method` once, under `protocol`, and throw it away.

    Raises:
        UsageError: an option does not fit the suite, parts do not fit each other, or no solver can fit
            the method where the protocol asks for one.
    """
    sharing = method.build_sharing(suite, seed=0)
    method.weighting.build([task.name for task in suite.tasks])
    if protocol.fit == "solver":
        check_linear(method, sharing, suite, protocol)
        return
    if method.fits_itself:
        _check_inference(method, protocol)
        return
    collect_groups(sharing, protocol.optimiser)
    if method.constraint:
        copies = next(iter(learning_copies(sharing).values()))
        method.constraint.build(Coupled(tuple(copies[0].shape), len(copies), protocol.lr))


def _check_inference(method: Method, protocol: Protocol) -> None:
    """Raise UsageError where a method that fits itself is asked for what only updates have."""
    if protocol.device != "cpu":
        raise UsageError(f"`{method.sharing.short}` should be run with `--device cpu`. Found `{protocol.device}`.")
    if method.weighting.short != str(DEFAULT_WEIGHTING):
        raise UsageError(
            f"`{method.sharing.short}` is fitted to all rows at once, without weights of losses; leave out "
            f"`@{method.weighting.short}`."
        )


def check_linear(method: Method, sharing: Sharing, suite: Suite, protocol: Protocol) -> None:
    """Raise UsageError, with one sentence, where no solver can fit the method.

    method: for the sentence, and for its constraint and weighting.
    sharing: built from it on `suite`.
    protocol: of a suite whose models are fitted by a solver.
    """
    from bench.linear.family import PenaltyFamily

    form = None if method.fits_itself else read_linear_form(sharing, suite)
    if form is None and not method.fits_itself:
        raise UsageError(
            f"`{method.sharing.short}` has more than weights and intercepts, tasks' own or shared, which is what a "
            "solver can fit."
        )
    if form and not all(parameter.requires_grad for parameter in sharing.parameters()):
        raise UsageError("A solver sets every weight and intercept of a linear backbone. Found frozen ones; free them.")
    if form and len(sharing.phases()) > 1:
        raise UsageError(f"`{method.sharing.short}` is trained in phases; a solver finds one minimum, without any.")
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
        PenaltyFamily(method.constraint, Coupled(tuple(copies[0].shape), len(copies), protocol.lr)).build_penalty({})
