"""The contract of a Constraint: an exact prox.

The prox is held against `value`, so that the two cannot disagree; no formula is known here.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from bench.check.copies import RATE, ConstraintCase, Trial, compute_answers, draw
from bench.check.options import is_sentence
from bench.check.outcome import Skipped, attempt, expect
from bench.core.constraint import Constraint

STEPS = (0.1, 10.0)  # one that shrinks a little, and one that shrinks to nearly nothing


def _list_with_prox(case: ConstraintCase) -> Iterator[tuple[Trial, Constraint]]:
    """The trials whose prox is applied.

    Raises Skipped, after the last one, where there is none since the penalty is part of the loss.
    """
    count = 0
    for trial, constraint in case.build_each():
        if not constraint.in_loss:
            count += 1
            yield trial, constraint
    if not count:
        raise Skipped("the penalty is part of the loss, and has no prox.")


def prox_at_step_0(case: ConstraintCase) -> None:
    """A step of 0 leaves the copies where they are, in their shape and type.

    It finds a prox that forgets to multiply by its step, and one that computes in another type.
    """
    for trial, constraint in _list_with_prox(case):
        with attempt(f"`prox` with {trial.where}, where `in_loss` is False,"):
            result = constraint.prox(trial.W, 0.0)
        expect(
            result.shape == trial.W.shape and result.dtype == trial.W.dtype and torch.allclose(result, trial.W),
            f"`prox` with step 0 should return W. Found something else with {trial.where}; the step multiplies the "
            "penalty.",
        )


def _make_rivals(constraint: Constraint, W: Tensor, best: Tensor, step: float) -> Iterator[Tensor]:
    """Points that should not be better than the prox: downhill, towards W, the mean and zero, and at random.

    Args:
        constraint: in the state that `best` was computed in.
        W: what the prox was taken of.
        best: prox(W, step).
        step: of the prox.
    """
    point = best.clone().requires_grad_()
    # Downhill from the prox itself: where it is smooth there, the slope of a true minimum is 0.
    [slope] = torch.autograd.grad(step * constraint.value(point) + (point - W).square().sum() / 2, point)
    directions = [-slope, W - best, best.mean(dim=-1, keepdim=True) - best, -best]
    directions += [draw(tuple(W.shape), seed) for seed in (1, 2, 3)]
    for direction in directions:
        # Large steps find another minimum, small ones a wrong factor.
        for size in (1.0, 0.1, 1e-2, 1e-4):
            for rival in (best + size * direction, best - size * direction):
                yield rival.clamp(min=0) if constraint.nonnegative else rival


def prox_is_the_minimum(case: ConstraintCase) -> None:
    """prox(W, step) minimises step * value(V) + |V - W|^2 / 2, before and after a refresh: no other V does better.

    Rivals may be better by 1e-9 of the cost, which is rounding. A prox that is only approximate fails:
    the certificate of a solver, and an exact zero, need the exact one.
    """
    for trial, constraint in _list_with_prox(case):
        # The prox depends on buffers, and training uses it with initial and with refreshed ones.
        for refreshed in (False, True) if constraint.refresh_every else (False,):
            if refreshed:
                constraint.refresh(trial.W)
            for step in STEPS:
                best = constraint.prox(trial.W, step)
                costs = [
                    float((step * constraint.value(V) + (V - trial.W).square().sum() / 2).detach())
                    for V in (best, *_make_rivals(constraint, trial.W, best, step))
                ]
                margin = costs[0] - min(costs)
                expect(
                    margin <= 1e-9 * (1 + abs(costs[0])),  # rounding of float64, with room to spare
                    "`prox` should minimise step * value(V) + |V - W|^2 / 2. Found a point nearby that is better by "
                    f"{margin:.2g} with {trial.where}, step {step}; check the factors, or set `in_loss` where there "
                    "is no exact prox.",
                )


def ends(case: ConstraintCase) -> None:
    """At every end of an option's range that is a value itself, the prox is finite, for steps of 0 and more.

    Half-lives of 0 make a strength infinite, and inf * 0 is NaN. An end may be refused with a sentence.
    """
    for trial in case.list_end_trials():
        try:
            constraint = trial.build()
        except ValueError as error:
            expect(is_sentence(str(error)), f"`{trial.form}` should be refused with a sentence. Found {str(error)!r}.")
            continue
        for step in () if constraint.in_loss else (0.0, RATE):
            with attempt(f"`prox` with {trial.where}, step {step:g},"):
                if not constraint.calibrated:
                    constraint.calibrate(trial.W, RATE)
                result = constraint.prox(trial.W, step)
            expect(
                result.shape == trial.W.shape and bool(result.isfinite().all()),
                "`prox` should be finite, in the shape of W, at the ends of a range. Found it is not with "
                f"{trial.where}, step {step:g}; take the limit there, or leave the end out of the range.",
            )


def symmetry(case: ConstraintCase) -> str | None:
    """Relabelling the tasks relabels the prox and keeps the value; a note where it does not.

    No failure, since a penalty with a given graph of tasks is right to differ.
    """
    for trial, constraint in case.build_each():
        order = torch.arange(trial.tasks - 1, -1, -1)  # the reverse, which moves every task but a middle one
        ours, turned = compute_answers(constraint, trial.W), compute_answers(constraint, trial.W[..., order])
        ours = {name: answer[..., order] if answer.dim() else answer for name, answer in ours.items()}
        if not all(torch.allclose(ours[name], turned[name]) for name in ours):
            return f"Note: the order of the tasks matters with {trial.where}; it should with a given graph only."
    return None
