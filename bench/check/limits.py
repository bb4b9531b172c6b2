"""The limits a class claims: options with which it equals another method exactly."""

from typing import Any

import torch
from torch import Tensor

from bench.catalogue.method import DEFAULT_WEIGHTING, Method
from bench.catalogue.options import fill_defaults
from bench.catalogue.registry import Choice, Entry, choose
from bench.check.outcome import Skipped, attempt, expect
from bench.check.trial import measure_gap
from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.errors import UsageError
from bench.planning.plan import parse_suite
from bench.records import Call, parse_call
from bench.training.model import MultiTaskModel
from bench.training.module import training_step

SUITES = ("synthetic:tasks=3,train=24", "multidigits")
STEPS, ROWS, RATE, TOLERANCE = 3, 8, 0.02, 1e-12
EXACT: dict[str, Any] = {  # the protocol under which limits hold: plain SGD in float64
    "optimiser": "sgd",
    "lr": RATE,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "schedule": "constant",
    "epochs": 1,
    "steps_per_epoch": STEPS,
    "precision": "float64",
    "memory_format": "contiguous",
}


def _find_phase(model: MultiTaskModel, step: int) -> str:
    """The phase that update `step` of STEPS belongs to."""
    end = 0.0
    for phase in model.sharing.phases():
        end += phase.share
        if step < round(end * STEPS):
            break
    return phase.name


def predictions(method: Method, suite_text: str) -> dict[str, Tensor]:
    """What `method` predicts after a few steps of plain SGD in float64. UsageError where it does not fit."""
    _, suite = parse_suite(suite_text)
    protocol = suite.protocol.model_copy(update=EXACT)
    torch.manual_seed(0)
    model = MultiTaskModel(suite, method, protocol, seed=0).double()
    optimiser = torch.optim.SGD(model.parameter_groups(protocol), lr=RATE)
    rows: Dataset = suite.dataset("train", 0).to(torch.device("cpu"), torch.float64, torch.contiguous_format)
    state = TrainState(updates=STEPS, generator=torch.Generator().manual_seed(0))
    for step in range(STEPS):
        batch = rows.take([torch.arange(step * ROWS, (step + 1) * ROWS)] * len(rows.groups))
        state.step, state.phase = step, _find_phase(model, step)
        optimiser.zero_grad()
        training_step(model, batch, state).backward()
        optimiser.step()
        for held in model.held:
            held.centre()
            held.calibrate(RATE)
            if not held.constraint.in_loss:
                held.apply_prox(RATE)
            if held.constraint.refresh_every and (step + 1) % held.constraint.refresh_every == 0:
                held.refresh()
    model.eval()
    state.step = STEPS
    inputs, _ = rows.take([torch.arange(4 * ROWS) % len(x) for x, _ in rows.groups])
    with torch.no_grad():
        return model(inputs, state)  # type: ignore[no-any-return]


def hold_limits(entry: Entry, carrier: str = "") -> None:
    """What the class claims in `limits` holds after a few steps, on the sharing `carrier` if it is a constraint."""
    limits: dict[str, str] = dict(entry.cls.limits)  # type: ignore[attr-defined]
    prefix = f"{carrier}+" if carrier else ""
    if not limits:
        raise Skipped("no limits are claimed.")
    for options, other in limits.items():
        text = f"{entry.name}:{options}" if options else entry.name
        with attempt(f"The options of the claimed limit `{text}`"):
            part = Choice(entry, fill_defaults(entry.name, entry.options, parse_call(text).options))
        with attempt(f"The other side of the claimed limit `{text}`, `{other}`,"):
            target = Method.parse(other)
        weighting = choose("weighting", DEFAULT_WEIGHTING)
        held = Method(choose("sharing", Call(carrier)), part, weighting) if carrier else Method(part, None, weighting)
        compared = 0
        for suite in SUITES:
            try:
                ours, theirs = predictions(held, suite), predictions(target, suite)
            except UsageError:  # one of the two refuses this suite
                continue
            compared += 1
            distance = measure_gap(ours, theirs)
            expect(
                distance <= TOLERANCE,
                f"`{prefix}{text}` should equal `{other}`, as `limits` claims. Found predictions "
                f"{distance:.1g} apart after {STEPS} steps of sgd on `{suite}`; mend the method or the claim.",
            )
        expect(
            compared,
            f"The claimed limit `{prefix}{text}` = `{other}` should run on a small suite. Found none that both sides "
            f"support among {', '.join(SUITES)}; claim it with other options.",
        )
