"""The contract of a Sharing: it leaves its inputs and frozen weights as they are."""

import torch
from torch import nn
from torch.nn import Parameter

from bench.check.outcome import Skipped, attempt, expect
from bench.check.trial import Setting, SharingCase, compute_stand_in, list_moments
from bench.core.suite import Suite, derive_suite


def inputs_stay(case: SharingCase) -> None:
    """`forward` does not write into its inputs, in training or evaluation: other runs and epochs read the same rows.

    Splits lie in memory once, for all epochs and perhaps for all workers. Both the numbers and torch's
    version counter are looked at, so that writing the same numbers counts.
    """
    for at, sharing in case.build_each():
        for mode in (True, False):
            sharing.train(mode)
            for state in list_moments(sharing):
                inputs = at.rows()
                with attempt(f"`forward` on `{at.text}` in phase `{state.phase}`"), torch.no_grad():
                    sharing(inputs, state)
                # `_version` counts writes, also those that end with the same numbers.
                wrote = [t for t, x in at.rows().items() if inputs[t]._version or not torch.equal(inputs[t], x)]
                expect(
                    not wrote,
                    f"`forward` should leave its inputs as they are. Found that it wrote into those of {wrote[:5]} on "
                    f"`{at.text}`; compute a new tensor, with `x.clamp(max=1)` for `x.clamp_(max=1)`, `x = x + y` for "
                    "`x += y`.",
                )


def with_frozen_stage(suite: Suite, made: list[Parameter] | None = None) -> Suite:
    """`suite` with a backbone whose first stage is frozen.

    made: a list that takes up the frozen parameters of every backbone it makes; they tell frozen weights
        in a sharing apart, whatever they are called there.
    """

    class FirstStageFrozen(Suite):
        def backbone(self, width: float = 1.0) -> nn.ModuleList:
            stages = suite.backbone(width)
            stages[0].requires_grad_(False)
            if made is not None:
                made.extend(stages[0].parameters())
            return stages

    return derive_suite(suite, FirstStageFrozen)


def frozen_weights_stay(case: SharingCase) -> None:
    """On a backbone whose first stage is frozen it trains too, and what is frozen keeps its values.

    Suites with pretrained backbones freeze stages. A frozen weight that is in a group of the optimiser
    would be decayed, and one whose `requires_grad` a sharing sets would be trained.
    """
    if case.fits_itself:
        raise Skipped("no update trains it.")
    for at in case.settings:
        with attempt(f"An update on `{at.text}` with a frozen first stage"):
            _check_update(case, at)


def _check_update(case: SharingCase, at: Setting) -> None:
    """Raise Broken where a run of one update per phase on a setting moves, or frees, a frozen weight."""
    made: list[Parameter] = []
    sharing = case.build(at, suite=with_frozen_stage(at.suite, made))
    given = {id(p) for p in made}  # the sharing may hold them under any name
    frozen = {name: (p, p.detach().clone()) for name, p in sharing.named_parameters() if id(p) in given}
    # A plain optimiser over all groups, so that a frozen weight in one of them shows.
    optimiser = torch.optim.SGD([p for group in sharing.parameter_groups("sgd") for p in group.parameters], lr=0.01)
    for number, state in enumerate(list_moments(sharing)):
        if number:  # the first phase begins without a call
            sharing.begin(state.phase)
        total = compute_stand_in(sharing, at.rows(), state)
        if total.requires_grad:
            torch.autograd.backward(total)
        optimiser.step()
    moved = [name for name, (p, before) in frozen.items() if p.requires_grad or not torch.equal(p, before)]
    expect(
        not moved,
        f"Weights that a backbone has frozen should keep their values. Found {moved[:5]} moved, or free to move, on "
        f"`{at.text}`; leave out parameters whose `requires_grad` is False.",
    )
