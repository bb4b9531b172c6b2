"""The limits a class claims: options with which it equals another method exactly.

`limits` hold under plain SGD; `ties`, of constraints, under every optimiser that works on mean and deviations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
UPDATES, NEAR = 12, 1e-9  # of tied copies: past the first refresh of most buffers; rounding that adam has divided
TIED: dict[str, dict[str, Any]] = {  # what tied copies are held under; sgd gives their mean a tower's rate, not the sum
    "sgd": EXACT | {"trunk_lr_rule": "mean"},
    "adam": EXACT | {"optimiser": "adam"},
}


def _find_phase(model: MultiTaskModel, step: int, steps: int) -> str:
    """The phase that update `step` of `steps` belongs to."""
    end = 0.0
    for phase in model.sharing.phases():
        end += phase.share
        if step < round(end * steps):
            break
    return phase.name


def predictions(
    method: Method, suite_text: str, settings: Mapping[str, Any] = EXACT, steps: int = STEPS
) -> dict[str, Tensor]:
    """What `method` predicts after a few updates in float64.

    Args:
        method: any that the suite takes.
        suite_text: as on the command line; one with 24 rows or more in training.
        settings: of the protocol, among them the optimiser.
        steps: updates, each on 8 rows; more than three take the rows again.

    Raises:
        UsageError: the method does not fit the suite.
    """
    _, suite = parse_suite(suite_text)
    protocol = suite.protocol.model_copy(update=dict(settings))
    torch.manual_seed(0)
    model = MultiTaskModel(suite, method, protocol, seed=0).double()
    optimiser = (torch.optim.SGD if protocol.optimiser == "sgd" else torch.optim.Adam)(model.parameter_groups(protocol))
    rows: Dataset = suite.dataset("train", 0).to(torch.device("cpu"), torch.float64, torch.contiguous_format)
    state = TrainState(updates=steps, generator=torch.Generator().manual_seed(0))
    for step in range(steps):
        batch = rows.take([torch.arange(step * ROWS, (step + 1) * ROWS) % (STEPS * ROWS)] * len(rows.groups))
        state.step, state.phase = step, _find_phase(model, step, steps)
        optimiser.zero_grad()
        training_step(model, batch, state).backward()
        model.centre_gradients()
        optimiser.step()
        for held in model.held:
            held.centre()
            held.calibrate(RATE)
            if not held.constraint.in_loss:
                held.apply_prox(RATE)
            if held.constraint.refresh_every and (step + 1) % held.constraint.refresh_every == 0:
                held.refresh()
    model.eval()
    state.step = steps
    inputs, _ = rows.take([torch.arange(4 * ROWS) % len(x) for x, _ in rows.groups])
    with torch.no_grad():
        return model(inputs, state)  # type: ignore[no-any-return]


def hold_limits(entry: Entry, carrier: str = "") -> None:
    """What the class claims in `limits` holds after a few steps, on the sharing `carrier` if it is a constraint."""
    limits: dict[str, str] = dict(entry.cls.limits)  # type: ignore[attr-defined]
    if not limits:
        raise Skipped("no limits are claimed.")
    for options, other in limits.items():
        text, held = _make_claimant(entry, options, carrier)
        with attempt(f"The other side of the claimed limit `{text}`, `{other}`,"):
            target = Method.parse(other)
        _compare(held, target, Claim(text, other, "limits", "sgd", EXACT, STEPS, TOLERANCE))


def hold_ties(entry: Entry, carrier: str) -> None:
    """With the options in `ties` the constraint is `hard`, under sgd and adam, where copies are mean and deviations."""
    ties: Sequence[str] = entry.cls.ties  # type: ignore[attr-defined]
    if not ties:
        raise Skipped("no ties are claimed.")
    for options in ties:
        text, held = _make_claimant(entry, options, carrier)
        for optimiser, settings in TIED.items():
            claim = Claim(text, "hard", "ties", optimiser, settings | {"coordinates": "mean"}, UPDATES, NEAR)
            _compare(held, Method.parse("hard"), claim)


@dataclass(frozen=True)
class Claim:
    """That two methods are one: their names, where it is claimed, and what they are trained under to see it.

    text: the side that claims; `other`: what it says it equals.
    source: the attribute with the claim.
    optimiser: in words.
    settings: of the protocol; `steps` updates are made under it.
    tolerance: on the predictions, absolute.
    """

    text: str
    other: str
    source: str
    optimiser: str
    settings: Mapping[str, Any]
    steps: int
    tolerance: float


def _make_claimant(entry: Entry, options: str, carrier: str) -> tuple[str, Method]:
    """The method that claims, and its text: the class with `options`, on `carrier` if it is a constraint."""
    text = f"{entry.name}:{options}" if options else entry.name
    with attempt(f"The options of the claimed limit `{text}`"):
        part = Choice(entry, fill_defaults(entry.name, entry.options, parse_call(text).options))
    weighting = choose("weighting", DEFAULT_WEIGHTING)
    if not carrier:
        return text, Method(part, None, weighting)
    return f"{carrier}+{text}", Method(choose("sharing", Call(carrier)), part, weighting)


def _compare(held: Method, target: Method, claim: Claim) -> None:
    """Fail where predictions differ on a small suite, or where no suite fits both methods."""
    compared = 0
    for suite in SUITES:
        try:
            ours, theirs = (predictions(each, suite, claim.settings, claim.steps) for each in (held, target))
        except UsageError:  # one of the two refuses this suite
            continue
        compared += 1
        distance = measure_gap(ours, theirs)
        expect(
            distance <= claim.tolerance,
            f"`{claim.text}` should equal `{claim.other}`, as `{claim.source}` claims. Found predictions "
            f"{distance:.1g} apart after {claim.steps} steps of {claim.optimiser} on `{suite}`; mend the method or the "
            "claim.",
        )
    expect(
        compared,
        f"The claimed limit `{claim.text}` = `{claim.other}` should run on a small suite. Found none that both sides "
        f"support among {', '.join(SUITES)}; claim it with other options.",
    )
