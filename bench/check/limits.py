"""The limits a class claims: options with which it equals another method exactly."""

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


def predictions(method: Method, suite_text: str) -> dict[str, Tensor]:
    """task -> predictions (ROWS_SEEN, ...), float64, of a run of STEPS updates of plain SGD.

    It is trained as every run is: phases begin, constraints have their prox, and are refreshed when due. Raises
    UsageError where the method does not fit the suite, Diverged where a loss stopped being finite.
    """
    # Here, since Lightning takes seconds to import and most of what is checked claims no limits.
    from bench.training.fit import Run
    from bench.training.trainer import train
    from bench.training.watch import TrainingMonitor

    _, suite = parse_suite(suite_text)
    protocol = suite.protocol.model_copy(update=EXACT)
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
                ours, theirs = predictions(method, suite), predictions(target, suite)
            except UsageError:  # one of the two refuses this suite
                continue
            compared += 1
            distance = measure_gap(ours, theirs)
            expect(
                distance <= TOLERANCE,
                f"`{claimed}` should equal `{other}`, as `limits` claims. Found predictions "
                f"{distance:.1g} apart after {STEPS} steps of sgd on `{suite}`; mend the method or the claim.",
            )
        expect(
            compared,
            f"The claimed limit `{claimed}` = `{other}` should run on a small suite. Found none that both sides "
            f"support among {', '.join(SUITES)}; claim it with other options.",
        )
