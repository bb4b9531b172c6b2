"""The contract of a Weighting: T losses, T weights."""

from collections.abc import Iterator

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.behaviour import reload_state
from bench.check.losses import (
    STEPS,
    TASK_COUNTS,
    WeightingCase,
    compute_total,
    compute_weights,
    make_gramian,
    make_losses,
    make_step_state,
)
from bench.check.options import documented, is_sentence, list_forms, options
from bench.check.outcome import RuleOutcome, Skipped, attempt, expect, run_rules
from bench.core.weighting import Weighting

NEAR = 1e-6  # of two steps: parameters start in float32, and rules by iteration stop early


def _check_answers(weighting: Weighting, tasks: int, where: str, dtype: torch.dtype) -> None:
    """Raise Broken unless the weights are finite, (T,), and of the type and device of the losses.

    Args:
        weighting: an instance for this number of tasks.
        tasks: T.
        where: the case in words, for the sentence.
        dtype: of the losses.
    """
    losses = make_losses(tasks, dtype=dtype)
    with attempt(f"`forward` {where}"):
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
    """Finite, of shape (T,), in the type of the losses, for 1, 2 and 5 tasks.

    In single precision, as in training, and in double. One task is the case in which differences
    between tasks, and divisions by T - 1, have nothing to work on.
    """
    for tasks in TASK_COUNTS:
        for dtype in (torch.float32, torch.float64):
            with attempt(f"Building for {tasks} tasks"):
                weighting = case.build(tasks, dtype=dtype)
            _check_answers(weighting, tasks, f"for {tasks} tasks in {dtype}", dtype)


def choices(case: WeightingCase) -> None:
    """Every choice of an option that names its choices works as well.

    A choice may be refused with a sentence. Two tasks and double precision are enough here, since the
    rule on weights goes through the others.
    """
    for text, values in list_forms(case.entry):
        with attempt(f"Building `{text}`"):
            try:
                weighting = case.build(2, values)
            except ValueError as error:
                if is_sentence(str(error)):
                    continue
                raise
        _check_answers(weighting, 2, f"with `{text}`", torch.float64)


def regulariser(case: WeightingCase) -> None:
    """A number or a 0-dimensional tensor, finite.

    Training adds it to the weighted losses, where any other shape would broadcast. The default is 0.
    """
    for tasks in TASK_COUNTS:
        term = torch.as_tensor(case.build(tasks).regulariser())  # a plain 0 is the default
        expect(
            term.dim() == 0 and bool(term.isfinite()),
            f"`regulariser` should be a finite number, or a 0-dimensional tensor. Found shape {tuple(term.shape)} for "
            f"{tasks} tasks; sum its terms.",
        )


def gradients(case: WeightingCase) -> None:
    """The weighted losses and the regulariser reach every parameter of the weighting.

    Weightings with a second forward move their parameters by themselves, in `observe`. A weighting
    without parameters passes.
    """
    for tasks in TASK_COUNTS:
        weighting = case.build(tasks)
        if weighting.needs_second_forward:
            raise Skipped("its parameters are moved by `observe`.")
        # Detached: gradients are those of the weighting's own parameters.
        total = compute_total(weighting, make_losses(tasks).detach())[1]
        if total.requires_grad:
            torch.autograd.backward(total)
        missed = [name for name, p in weighting.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
        expect(
            not missed,
            f"The weighted losses and the regulariser should give every parameter a finite gradient. Found none for "
            f"{missed[:5]} for {tasks} tasks; use them in `forward`, or make them buffers.",
        )


def losses_train(case: WeightingCase) -> None:
    """The weighted sum still has a gradient with respect to the losses.

    Weights that are computed from losses without `detach` can cancel it: sum of log losses trains, a
    sum of losses over themselves does not. One task without a gradient is allowed, all of them are not.
    """
    for tasks in TASK_COUNTS:
        weighting, losses = case.build(tasks), make_losses(tasks)
        total = compute_total(weighting, losses)[1]
        [slope] = torch.autograd.grad(total, losses)
        expect(
            bool(slope.isfinite().all()) and bool((slope.abs() > 1e-9).any()),  # one task may have weight 0
            f"The weighted losses should train the model. Found their gradient {slope.tolist()} with respect to the "
            f"losses for {tasks} tasks; use `state.losses.detach()` where weights are computed from losses.",
        )


def extreme_losses(case: WeightingCase) -> None:
    """Tiny, huge and zero losses, in one task or in all, leave the weights finite over a few steps.

    A task that is solved has loss 0; one that diverges is huge before it is infinite. Several steps are
    taken, as running means of such losses may fail later than the first.
    """
    for tasks in TASK_COUNTS:
        one = torch.ones(tasks, dtype=torch.float64)
        one[0] = 0
        kinds: dict[str, Tensor | float] = {"1e-8": 1e-8, "1e8": 1e8, "zero": 0.0, "zero in one task": one}
        for kind, factor in kinds.items():
            weighting = case.build(tasks)
            for step in range(STEPS):
                losses = (make_losses(tasks, step) * factor).detach().requires_grad_()
                weights, total = compute_total(weighting, losses, step)
                [slope] = torch.autograd.grad(total, losses)
                expect(
                    bool(weights.isfinite().all()) and bool(slope.isfinite().all()),
                    f"Weights and their gradients should stay finite. Found {weights.tolist()} for losses scaled by "
                    f"{kind}, {tasks} tasks, step {step}; guard divisions and logarithms with a small number.",
                )


def scale_of_a_sum(case: WeightingCase) -> None:
    """Where all losses and task gradients are equal, the first step is that of `uniform`.

    Losses are summed: a rule that answers with a mean takes 1 / T of the step under sgd, and is compared at another
    learning rate. Weights of whole losses have to be 1 each; of shared gradients, which are equal here, only the sum
    counts. A class that says in `unlike_uniform` why its step is another one is excused, and should not be like it.
    """
    different = False
    for tasks in TASK_COUNTS:
        weighting, losses = case.build(tasks), torch.full((tasks,), 0.7, dtype=torch.float64, requires_grad=True)
        gramian = torch.full((tasks, tasks), 0.3, dtype=torch.float64)
        weights = weighting(make_step_state(weighting, losses, 0, gramian)).detach()
        uniform = torch.ones_like(weights)
        if weighting.scales == "shared":
            same = torch.allclose(weights.sum(), uniform.sum(), rtol=NEAR, atol=0.0)
        else:
            same = torch.allclose(weights, uniform, rtol=NEAR, atol=0.0)
        different = different or not same
        expect(
            same or weighting.unlike_uniform,
            f"Where losses and gradients of {tasks} tasks are equal, the step should be that of `uniform`, the sum of "
            f"its weights {tasks}. Found {weights.tolist()}; a rule that answers with a mean says "
            '`sum_of_weights = "1"`, one that cannot be a sum says why in `unlike_uniform`.',
        )
    reason = case.entry.cls.unlike_uniform  # type: ignore[attr-defined]
    if reason and different:
        raise Skipped(reason)
    expect(
        not reason,
        f"`unlike_uniform` should be empty where the step is that of `uniform`. Found {reason!r}; leave it out.",
    )


def extreme_gradients(case: WeightingCase) -> None:
    """Zero, parallel, opposite, tiny and huge task gradients leave the weights finite.

    The Gramian is singular in most of these, which is where solvers of small problems break. Skipped for
    weightings that do not ask for it.
    """
    for tasks in TASK_COUNTS:
        weighting = case.build(tasks)
        if not weighting.needs_gramian:
            raise Skipped("it does not ask for the Gramian.")
        G, one = make_gramian(tasks), torch.ones(tasks, dtype=torch.float64)
        sign = one.clone()
        sign[0] = -1
        quiet = one.clone()  # a task that is solved, beside others that are not
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
                with attempt(f"`forward` with {kind} gradients for {tasks} tasks"):
                    weights = weighting(make_step_state(weighting, make_losses(tasks, step), step, gramian))
                expect(
                    weights.shape == (tasks,) and bool(weights.isfinite().all()),
                    f"Weights should stay finite. Found {weights.tolist()} for {kind} gradients of {tasks} tasks, step "
                    f"{step}; guard divisions, and answer 1 each where the Gramian says nothing.",
                )


def absent_tasks(case: WeightingCase) -> None:
    """Where a batch has no label of some tasks, the others get a weight each, as if there were no others.

    Losses and Gramian are then those of the tasks that are there (`StepState.present`). What a rule remembers of each
    task it reads by `state.take`. A batch with all tasks follows, which should find everything in its place.
    """
    for tasks in TASK_COUNTS:
        present = torch.arange(0, tasks, 2)
        if len(present) == tasks:
            continue
        weighting, alone = case.build(tasks), case.build(len(present))
        losses, gramian = make_losses(tasks).detach()[present], make_gramian(tasks)[present][:, present]
        some = f"{len(present)} of {tasks} tasks"
        torch.manual_seed(0)  # that nothing is drawn from it is a rule of its own
        with attempt(f"`forward` with the losses of {some}"):
            weights = weighting(make_step_state(weighting, losses, 0, gramian, present)).detach()
            term = float(torch.as_tensor(weighting.regulariser()).detach())
        torch.manual_seed(0)
        wanted = alone(make_step_state(alone, losses, 0, gramian)).detach()
        wanted_term = float(torch.as_tensor(alone.regulariser()).detach())
        expect(
            weights.shape == wanted.shape and torch.allclose(weights, wanted, rtol=NEAR, atol=0.0),
            f"The first weights of {some} should be those of these tasks alone, {wanted.tolist()}. Found "
            f"{weights.tolist()}; look at the losses that are there, and read what belongs to a task by `state.take`.",
        )
        expect(
            abs(term - wanted_term) <= NEAR * abs(wanted_term),
            f"The regulariser should be of the tasks that are there. Found {term:g} for {some}, and {wanted_term:g} "
            "for these alone; leave the others out.",
        )
        with attempt(f"A step of all {tasks} tasks after one of {len(present)}"):
            if weighting.needs_second_forward:
                weighting.observe(0.9 * losses)
            weights, _ = compute_total(weighting, make_losses(tasks, 1), 1)
        expect(
            weights.shape == (tasks,) and bool(weights.isfinite().all()),
            f"Weights should stay finite. Found {weights.tolist()} for {tasks} tasks after a step of {len(present)}.",
        )


def same_seed_same_numbers(case: WeightingCase) -> None:
    """What is random comes from the generator that is passed in.

    The global generator is set to two states, and both instances have to agree bit for bit. Stacked
    seeds and resumed runs rest on it.
    """
    for tasks in TASK_COUNTS:
        answers = []
        for noise in (1, 2):
            torch.manual_seed(noise)
            answers.append(torch.stack(compute_weights(case.build(tasks), tasks)))
        expect(
            torch.equal(*answers),
            f"Two instances should give equal weights where the generator is equal. Found {answers[0].tolist()} and "
            f"{answers[1].tolist()}; draw with `generator=state.train.generator`.",
        )


def state_round_trip(case: WeightingCase) -> None:
    """After a few steps, the state holds everything that the next weights depend on.

    A run that was killed goes on from its checkpoint; running means belong into buffers. Parameters of
    the weighting are trained meanwhile, as in a run.
    """
    for tasks in TASK_COUNTS:
        weighting, fresh = case.build(tasks), case.build(tasks)
        compute_weights(weighting, tasks)
        reload_state(weighting, fresh)
        later = range(STEPS, STEPS + 2)  # two more: the second looks back at the first
        answers = []
        for held in (weighting, fresh):
            torch.manual_seed(0)  # random weightings are the rule before; here only memory counts
            answers.append(torch.stack(compute_weights(held, tasks, later)))
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
    scale_of_a_sum,
    extreme_losses,
    extreme_gradients,
    absent_tasks,
    same_seed_same_numbers,
    state_round_trip,
)


def check(entry: Entry) -> Iterator[RuleOutcome]:
    """Every rule on one weighting, registered or not; the outcomes come as the rules are run."""
    return run_rules(f"weighting/{entry.name}", WeightingCase(entry), RULES, {weights, regulariser})
