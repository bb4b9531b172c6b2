"""The contract of a Constraint: a penalty, and what it keeps.

Rules on the penalty itself; those on its prox are in `prox`, the copies it is tried on in `copies`.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.behaviour import list_differences, reload_state
from bench.check.copies import RATE, ConstraintCase, compute_answers
from bench.check.limits import hold_limits, hold_ties
from bench.check.options import documented, is_sentence, options
from bench.check.outcome import RuleOutcome, attempt, expect, run_rules
from bench.check.prox import ends, prox_at_step_0, prox_is_the_minimum, symmetry


def builds(case: ConstraintCase) -> None:
    """On vectors, matrices and kernels, for 1, 2 and 5 tasks; some of them are taken.

    A choice of an option may be refused with a sentence and is left out of the later rules; the defaults
    may not.
    """
    for form in list(case.forms):
        with attempt(f"Building `{form}`"):
            try:
                for trials in case.list_trials(form).values():
                    for trial in trials:
                        trial.build()
            except ValueError as error:
                if form == case.entry.name or not is_sentence(str(error)):
                    raise
                del case.forms[form]  # a choice that wants another option beside it, and says so
    expect(
        any(case.build_each()),
        "`applies_to` should be true of some parameters. Found it false for all; see its arguments.",
    )


def value(case: ConstraintCase) -> None:
    """0-dimensional, finite, >= 0 and of the type of W, for any copies, equal ones and zeros.

    Equal copies and zeros are where roots and logarithms fail, and towers of one seed start as equal
    copies. The value is added to losses, so it has to be one number of their type.
    """
    for trial, constraint in case.build_each():
        for kind, W in trial.kinds.items():
            with attempt(f"`value` of {kind} copies with {trial.where}"):
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
    """`value` is differentiable, and its gradient finite where copies are equal or zero.

    A root has an infinite slope at 0, which would turn the first update into NaN. A penalty of the
    loss needs the gradient in training, any other one in the rule on its prox.
    """
    for trial, constraint in case.build_each():
        for kind, W in trial.kinds.items():
            penalty = constraint.value(W.requires_grad_())  # `kinds` makes new copies each time
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
    """After an update of its buffers, for any copies, they are finite and so are value and prox.

    Covariances of equal copies are singular, and a plain inverse of them infinite. `refresh_every` is
    looked at too: None for never, else a number of updates >= 1.
    """
    every = case.entry.cls.refresh_every  # type: ignore[attr-defined]
    expect(
        every is None or every >= 1,
        f"`refresh_every` should be None or a number of updates >= 1. Found {every}; set one of them.",
    )
    for trial, constraint in case.build_each():
        for kind, W in trial.kinds.items():
            with attempt(f"`refresh` of {kind} copies with {trial.where}"), torch.no_grad():
                constraint.refresh(W)
                results = [*constraint.buffers(), *compute_answers(constraint, W).values()]
            expect(
                all(bool(result.isfinite().all()) for result in results),
                f"After `refresh` buffers, value and prox should be finite. Found they are not for {kind} copies with "
                f"{trial.where}; add a small multiple of the identity before inverting.",
            )


def state_round_trip(case: ConstraintCase) -> None:
    """Value and prox after `refresh` survive storing the state.

    A run that was killed goes on from its checkpoint, mostly between two refreshes. The fresh instance
    that takes up the state has to give the same numbers bit for bit.
    """
    for trial, constraint in case.build_each():
        fresh = trial.build()  # which has not seen W: its strength and buffers are as at the start
        constraint.refresh(trial.W)
        reload_state(constraint, fresh)
        changed = list_differences(compute_answers(constraint, trial.W), compute_answers(fresh, trial.W))
        expect(
            not changed,
            f"A constraint should be the same after its state was stored and loaded. Found another {changed} with "
            f"{trial.where}; register what `refresh` computes as buffers.",
        )


def repeats(case: ConstraintCase) -> None:
    """Nothing is drawn: two instances agree, whatever the global generator is set to.

    Constraints are handed no generator, so a random start of clusters has to have a fixed seed.
    """
    for trial, _ in case.build_each():
        answers = []
        for noise in (1, 2):
            torch.manual_seed(noise)
            constraint = trial.build()
            constraint.calibrate(trial.W, RATE)
            constraint.refresh(trial.W)  # clusters and covariances are what might be drawn at random
            answers.append(compute_answers(constraint, trial.W))
        differences = list_differences(*answers)
        expect(
            not differences,
            f"Two instances should agree. Found another {differences} with {trial.where}; draw nothing, or from a "
            "generator with a fixed seed.",
        )


def matrices(case: ConstraintCase) -> None:
    """What is stored about the tasks is finite and detached.

    Records refuse NaN, and a gradient would keep the graph of the last update alive.
    """
    for trial, constraint in case.build_each():
        constraint.refresh(trial.W)
        for name, matrix in constraint.matrices().items():
            expect(
                isinstance(matrix, Tensor) and not matrix.requires_grad and bool(matrix.isfinite().all()),
                f"`matrices` should hold finite tensors without a gradient. Found `{name}` otherwise with "
                f"{trial.where}; return it with `.detach()`.",
            )


def claimed_limits(case: ConstraintCase) -> None:
    """What `limits` claims holds after a few steps of plain SGD, on towers of its own for each task.

    Skipped where nothing is claimed.
    """
    hold_limits(case.entry)


def claimed_ties(case: ConstraintCase) -> None:
    """With the options in `ties` it is `hard` under sgd and adam, where copies are a mean and deviations from it."""
    hold_ties(case.entry)


RULES = (
    documented,
    options,
    builds,
    value,
    gradient,
    prox_at_step_0,
    prox_is_the_minimum,
    ends,
    symmetry,
    refresh,
    state_round_trip,
    repeats,
    matrices,
    claimed_limits,
    claimed_ties,
)


def check(entry: Entry) -> Iterator[RuleOutcome]:
    """Every rule on one constraint, registered or not; the outcomes come as the rules are run."""
    return run_rules(f"constraint/{entry.name}", ConstraintCase(entry), RULES, {builds, value, prox_at_step_0})
