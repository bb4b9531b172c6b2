"""The contract of a Constraint: a penalty, and what it keeps."""

from collections.abc import Iterator

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.behaviour import reloaded, same
from bench.check.copies import ConstraintCase, answers
from bench.check.limits import hold_limits
from bench.check.options import documented, options, sentence
from bench.check.outcome import RuleOutcome, expect, outcomes, trying
from bench.check.prox import prox_at_step_0, prox_is_the_minimum, symmetry

CARRIER = "soft"  # the sharing whose towers are held


def builds(case: ConstraintCase) -> None:
    """On vectors, matrices and kernels, for 1, 2 and 5 tasks; some of them are taken."""
    for form in list(case.forms):
        with trying(f"Building `{form}`"):
            try:
                for trials in case.trials(form).values():
                    for trial in trials:
                        trial.build()
            except ValueError as error:
                if form == case.entry.name or not sentence(str(error)):
                    raise
                del case.forms[form]  # a choice that wants another option beside it, and says so
    expect(
        any(case.each()), "`applies_to` should be true of some parameters. Found it false for all; see its arguments."
    )


def value(case: ConstraintCase) -> None:
    """0-dimensional, finite, >= 0 and of the type of W, for any copies, equal ones and zeros."""
    for trial, constraint in case.each():
        for kind, W in trial.kinds.items():
            with trying(f"`value` of {kind} copies with {trial.where}"):
                penalty = constraint.value(W)
            expect(
                isinstance(penalty, Tensor) and penalty.dim() == 0 and bool(penalty.isfinite() & (penalty >= 0)),
                f"`value` should be one number, finite and >= 0. Found {penalty} of {kind} copies with {trial.where}; "
                "sum over all entries.",
            )
            expect(
                penalty.dtype == W.dtype,
                f"`value` should have the type of W, {W.dtype}. Found {penalty.dtype} with {trial.where}; register "
                "tensors as buffers.",
            )


def gradient(case: ConstraintCase) -> None:
    """`value` is differentiable, and its gradient finite where copies are equal or zero."""
    for trial, constraint in case.each():
        for kind, W in trial.kinds.items():
            penalty = constraint.value(W.requires_grad_())
            expect(
                penalty.requires_grad,
                f"`value` should be differentiable. Found a constant with {trial.where}; compute it from W, without "
                "`detach`.",
            )
            [slope] = torch.autograd.grad(penalty, W)
            expect(
                bool(slope.isfinite().all()),
                f"The gradient of `value` should be finite. Found it is not at {kind} copies with {trial.where}; "
                "smooth the root there, or return the subgradient 0.",
            )


def refresh(case: ConstraintCase) -> None:
    """After an update of its buffers, for any copies, they are finite and so are value and prox."""
    every = case.entry.cls.refresh_every  # type: ignore[attr-defined]
    expect(
        every is None or every >= 1,
        f"`refresh_every` should be None or a number of updates >= 1. Found {every}; set one of them.",
    )
    for trial, constraint in case.each():
        for kind, W in trial.kinds.items():
            with trying(f"`refresh` of {kind} copies with {trial.where}"), torch.no_grad():
                constraint.refresh(W)
                results = [*constraint.buffers(), *answers(constraint, W).values()]
            expect(
                all(bool(result.isfinite().all()) for result in results),
                f"After `refresh` buffers, value and prox should be finite. Found they are not for {kind} copies with "
                f"{trial.where}; add a small multiple of the identity before inverting.",
            )


def state_round_trip(case: ConstraintCase) -> None:
    """Value and prox after `refresh` survive storing the state."""
    for trial, constraint in case.each():
        fresh = trial.build()
        constraint.refresh(trial.W)
        reloaded(constraint, fresh)
        changed = same(answers(constraint, trial.W), answers(fresh, trial.W))
        expect(
            not changed,
            f"A constraint should be the same after its state was stored and loaded. Found another {changed} with "
            f"{trial.where}; register what `refresh` computes as buffers.",
        )


def repeats(case: ConstraintCase) -> None:
    """Nothing is drawn: two instances agree."""
    for trial, _ in case.each():
        found = []
        for noise in (1, 2):
            torch.manual_seed(noise)
            constraint = trial.build()
            constraint.refresh(trial.W)
            found.append(answers(constraint, trial.W))
        expect(
            not same(*found),
            f"Two instances should agree. Found another {same(*found)} with {trial.where}; draw nothing, or from a "
            "generator with a fixed seed.",
        )


def matrices(case: ConstraintCase) -> None:
    """What is stored about the tasks is finite and detached."""
    for trial, constraint in case.each():
        constraint.refresh(trial.W)
        for name, matrix in constraint.matrices().items():
            expect(
                isinstance(matrix, Tensor) and not matrix.requires_grad and bool(matrix.isfinite().all()),
                f"`matrices` should hold finite tensors without a gradient. Found `{name}` otherwise with "
                f"{trial.where}; return it with `.detach()`.",
            )


def claimed_limits(case: ConstraintCase) -> None:
    """What `limits` claims holds after a few steps of plain SGD."""
    hold_limits(case.entry, CARRIER)


RULES = (
    documented,
    options,
    builds,
    value,
    gradient,
    prox_at_step_0,
    prox_is_the_minimum,
    symmetry,
    refresh,
    state_round_trip,
    repeats,
    matrices,
    claimed_limits,
)


def check(entry: Entry) -> Iterator[RuleOutcome]:
    """Every rule on one constraint."""
    return outcomes(f"constraint/{entry.name}", ConstraintCase(entry), RULES, {builds, value, prox_at_step_0})
