"""The limits a class claims: options with which it equals another method exactly.

`limits` hold under plain SGD; `ties`, of constraints, under every optimiser, with `coordinates=mean`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.catalogue.options import fill_defaults
from bench.catalogue.registry import Choice, Entry
from bench.check.outcome import Skipped, attempt, expect
from bench.check.trial import measure_gap
from bench.errors import UsageError
from bench.planning.plan import parse_suite
from bench.records import RunSpec, complete_method, parse_call

SUITES = ("synthetic:tasks=3,train=24", "multidigits")
STEPS = 3  # updates: enough for a second one to start from what the first one moved
ROWS_SEEN = 32  # rows of the training split that both sides predict
TOLERANCE = 1e-12  # float64; sums in another order, but no other numbers
EXACT: dict[str, Any] = {  # the protocol under which limits hold: plain SGD in float64
    "optimiser": "sgd",
    "lr": 0.02,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "coordinates": "copies",
    "schedule": "constant",
    "clip_norm": None,
    "loss_reduction": "sum",
    "epochs": 1,
    "steps_per_epoch": STEPS,
    "batch_size": 8,
    "device": "cpu",
    "precision": "float64",
    "memory_format": "contiguous",
}
NEAR = 1e-9  # of tied copies: rounding that adam has divided by small numbers
_LONGER = EXACT | {"steps_per_epoch": 12, "coordinates": "mean"}  # past the first refresh of most buffers
TIED: list[dict[str, Any]] = [  # protocols under which tied copies are `hard`
    _LONGER | {"trunk_lr_rule": "mean"},  # sgd gives the copies' mean the rate of a tower, and the mean gradient
    _LONGER | {"optimiser": "adam"},
]


def predictions(method: Method, suite_text: str, settings: Mapping[str, Any] = EXACT) -> dict[str, Tensor]:
    """task -> predictions (ROWS_SEEN, ...), float64, of a short run, by default of STEPS updates of plain SGD.

    It is trained as every run is: phases begin, constraints have their prox, and are refreshed when due. `settings` are
    of the protocol. Raises UsageError where the method does not fit the suite, Diverged where a loss stopped being
    finite.
    """
    # Here, since Lightning takes seconds to import and most of what is checked claims no limits.
    from bench.training.fit import Run
    from bench.training.trainer import train
    from bench.training.watch import TrainingMonitor

    _, suite = parse_suite(suite_text)
    protocol = suite.protocol.model_copy(update=dict(settings))
    spec = RunSpec(
        suite=suite_text, method=method.canonical, seed=0, protocol=protocol, versions=method.versions, data=""
    )
    run = Run(spec, suite, method)
    rows = run.data("train")
    train(run.module, run.batches(rows), TrainingMonitor(run.module))  # validation decides nothing here
    run.model.eval()
    inputs, _ = rows.take([torch.arange(ROWS_SEEN) % len(x) for x, _ in rows.groups])
    with torch.no_grad():
        return run.model(inputs, run.module.state)  # type: ignore[no-any-return]


def hold_limits(entry: Entry) -> None:
    """What the class claims in `limits` holds after a few steps, of the method that the class alone stands for."""
    limits: dict[str, str] = dict(entry.cls.limits)  # type: ignore[attr-defined]
    if not limits:
        raise Skipped("no limits are claimed.")
    for options, other in limits.items():
        _compare(entry, options, other, "limits", EXACT, TOLERANCE)


def hold_ties(entry: Entry) -> None:
    """With the options in `ties` a constraint is `hard`, under sgd and adam, where copies are mean and deviations."""
    ties: Sequence[str] = entry.cls.ties  # type: ignore[attr-defined]
    if not ties:
        raise Skipped("no ties are claimed.")
    for options in ties:
        for settings in TIED:
            _compare(entry, options, "hard", "ties", settings, NEAR)


def _compare(
    entry: Entry, options: str, other: str, source: str, settings: Mapping[str, Any], tolerance: float
) -> None:
    """Fail where a claimed limit does not hold on a small suite, or where no suite fits both of its sides.

    Args:
        entry: the class that claims it.
        options: of the class, as text.
        other: the method that it equals with them.
        source: the attribute with the claim.
        settings: of the protocol under which both are trained.
        tolerance: on predictions, absolute.
    """
    text = f"{entry.name}:{options}" if options else entry.name
    with attempt(f"The options of the claimed limit `{text}`"):
        call = parse_call(text)
        method = Method.complete(Choice(entry, fill_defaults(entry.name, entry.options, call.options)))
    claimed = complete_method(entry.kind, call)
    with attempt(f"The other side of the claimed limit `{text}`, `{other}`,"):
        target = Method.parse(other)
    compared = 0
    for suite in SUITES:
        try:
            ours, theirs = predictions(method, suite, settings), predictions(target, suite, settings)
        except UsageError:  # one of the two refuses this suite
            continue
        compared += 1
        distance = measure_gap(ours, theirs)
        expect(
            distance <= tolerance,
            f"`{claimed}` should equal `{other}`, as `{source}` claims. Found predictions {distance:.1g} apart after "
            f"{settings['steps_per_epoch']} steps of {settings['optimiser']} on `{suite}`; mend the method or the "
            "claim.",
        )
    expect(
        compared,
        f"The claimed limit `{claimed}` = `{other}` should run on a small suite. Found none that both sides "
        f"support among {', '.join(SUITES)}; claim it with other options.",
    )
