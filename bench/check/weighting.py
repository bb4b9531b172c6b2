"""The contract of a Weighting: T losses, T weights."""

from collections.abc import Iterator

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.behaviour import reloaded
from bench.check.losses import (
    STEPS,
    TASK_COUNTS,
    WeightingCase,
    gramian_of,
    make_losses,
    make_step_state,
    total_of,
    weights_of,
)
from bench.check.options import documented, forms, options, sentence
from bench.check.outcome import RuleOutcome, Skipped, expect, outcomes, trying
from bench.core.weighting import Weighting


def _answers(weighting: Weighting, tasks: int, where: str, dtype: torch.dtype) -> None:
    losses = make_losses(tasks, dtype=dtype)
    with trying(f"`forward` {where}"):
        weights = weighting(make_step_state(weighting, losses))
    expect(
        isinstance(weights, Tensor) and weights.shape == (tasks,) and bool(weights.isfinite().all()),
        f"`forward` should return {tasks} finite weights, a tensor of shape ({tasks},). Found {weights!r} {where}; one "
        "weight per loss, in their order.",
    )
    expect(
        weights.dtype == losses.dtype and weights.device == losses.device,
        f"The weights should be of the type and on the device of the losses, {losses.dtype}. Found {weights.dtype} "
        f"{where}; make them with `torch.full_like(state.losses, ...)` or from parameters and buffers.",
    )


def weights(case: WeightingCase) -> None:
    """Finite, of shape (T,), in the type of the losses, for 1, 2 and 5 tasks."""
    for tasks in TASK_COUNTS:
        for dtype in (torch.float32, torch.float64):
            with trying(f"Building for {tasks} tasks"):
                weighting = case.build(tasks, dtype=dtype)
            _answers(weighting, tasks, f"for {tasks} tasks in {dtype}", dtype)


def choices(case: WeightingCase) -> None:
    """Every choice of an option that names its choices works as well."""
    for text, values in forms(case.entry):
        with trying(f"Building `{text}`"):
            try:
                weighting = case.build(2, values)
            except ValueError as error:
                if sentence(str(error)):
                    continue
                raise
        _answers(weighting, 2, f"with `{text}`", torch.float64)


def regulariser(case: WeightingCase) -> None:
    """A number or a 0-dimensional tensor, finite."""
    for tasks in TASK_COUNTS:
        term = torch.as_tensor(case.build(tasks).regulariser())
        expect(
            term.dim() == 0 and bool(term.isfinite()),
            f"`regulariser` should be a finite number, or a 0-dimensional tensor. Found shape {tuple(term.shape)} for "
            f"{tasks} tasks; sum its terms.",
        )


def gradients(case: WeightingCase) -> None:
    """The weighted losses and the regulariser reach every parameter of the weighting."""
    for tasks in TASK_COUNTS:
        weighting = case.build(tasks)
        if weighting.needs_second_forward:
            raise Skipped("its parameters are moved by `observe`.")
        total = total_of(weighting, make_losses(tasks).detach())[1]
        if total.requires_grad:
            torch.autograd.backward(total)
        missed = [name for name, p in weighting.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
        expect(
            not missed,
            f"The weighted losses and the regulariser should give every parameter a finite gradient. Found none for "
            f"{missed[:5]} for {tasks} tasks; use them in `forward`, or make them buffers.",
        )


def losses_train(case: WeightingCase) -> None:
    """The weighted sum still has a gradient with respect to the losses."""
    for tasks in TASK_COUNTS:
        weighting, losses = case.build(tasks), make_losses(tasks)
        total = total_of(weighting, losses)[1]
        [slope] = torch.autograd.grad(total, losses)
        expect(
            bool(slope.isfinite().all()) and bool((slope.abs() > 1e-9).any()),
            f"The weighted losses should train the model. Found their gradient {slope.tolist()} with respect to the "
            f"losses for {tasks} tasks; use `state.losses.detach()` where weights are computed from losses.",
        )


def extreme_losses(case: WeightingCase) -> None:
    """Tiny, huge and zero losses, in one task or in all, leave the weights finite over a few steps."""
    for tasks in TASK_COUNTS:
        one = torch.ones(tasks, dtype=torch.float64)
        one[0] = 0
        kinds: dict[str, Tensor | float] = {"1e-8": 1e-8, "1e8": 1e8, "zero": 0.0, "zero in one task": one}
        for kind, factor in kinds.items():
            weighting = case.build(tasks)
            for step in range(STEPS):
                losses = (make_losses(tasks, step) * factor).detach().requires_grad_()
                weights, total = total_of(weighting, losses, step)
                [slope] = torch.autograd.grad(total, losses)
                expect(
                    bool(weights.isfinite().all()) and bool(slope.isfinite().all()),
                    f"Weights and their gradients should stay finite. Found {weights.tolist()} for losses scaled by "
                    f"{kind}, {tasks} tasks, step {step}; guard divisions and logarithms with a small number.",
                )


def extreme_gradients(case: WeightingCase) -> None:
    """Zero, parallel, opposite, tiny and huge task gradients leave the weights finite."""
    for tasks in TASK_COUNTS:
        weighting = case.build(tasks)
        if not weighting.needs_gramian:
            raise Skipped("it does not ask for the Gramian.")
        G, one = gramian_of(tasks), torch.ones(tasks, dtype=torch.float64)
        sign = one.clone()
        sign[0] = -1
        quiet = one.clone()
        quiet[-1] = 0
        kinds = {
            "zero": 0 * G,
            "parallel": torch.outer(one, one),
            "opposite": torch.outer(sign, sign),
            "one zero": G * torch.outer(quiet, quiet),
            "tiny": 1e-12 * G,
            "huge": 1e12 * G,
        }
        for kind, gramian in kinds.items():
            for step in range(STEPS):
                with trying(f"`forward` with {kind} gradients for {tasks} tasks"):
                    found = weighting(make_step_state(weighting, make_losses(tasks, step), step, gramian))
                expect(
                    found.shape == (tasks,) and bool(found.isfinite().all()),
                    f"Weights should stay finite. Found {found.tolist()} for {kind} gradients of {tasks} tasks, step "
                    f"{step}; guard divisions, and answer 1 / T where the Gramian says nothing.",
                )


def same_seed_same_numbers(case: WeightingCase) -> None:
    """What is random comes from the generator that is passed in."""
    for tasks in TASK_COUNTS:
        answers = []
        for noise in (1, 2):
            torch.manual_seed(noise)
            answers.append(torch.stack(weights_of(case.build(tasks), tasks)))
        expect(
            torch.equal(*answers),
            f"Two instances should give equal weights where the generator is equal. Found {answers[0].tolist()} and "
            f"{answers[1].tolist()}; draw with `generator=state.train.generator`.",
        )


def state_round_trip(case: WeightingCase) -> None:
    """After a few steps, the state holds everything that the next weights depend on."""
    for tasks in TASK_COUNTS:
        weighting, fresh = case.build(tasks), case.build(tasks)
        weights_of(weighting, tasks)
        reloaded(weighting, fresh)
        later = range(STEPS, STEPS + 2)
        answers = []
        for held in (weighting, fresh):
            torch.manual_seed(0)
            answers.append(torch.stack(weights_of(held, tasks, later)))
        expect(
            torch.equal(*answers),
            "A weighting should go on alike after its state was stored and loaded. Found the weights "
            f"{answers[0].tolist()} and {answers[1].tolist()}; register what it remembers as buffers.",
        )


RULES = (
    documented,
    options,
    weights,
    regulariser,
    choices,
    gradients,
    losses_train,
    extreme_losses,
    extreme_gradients,
    same_seed_same_numbers,
    state_round_trip,
)


def check(entry: Entry) -> Iterator[RuleOutcome]:
    """Every rule on one weighting."""
    return outcomes(f"weighting/{entry.name}", WeightingCase(entry), RULES, {weights, regulariser})
