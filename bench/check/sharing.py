"""The contract of a Sharing: that it is built, and answers in the right shapes."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.behaviour import BEHAVIOUR
from bench.check.limits import hold_limits
from bench.check.options import documented, forms, options, sentence
from bench.check.outcome import RuleOutcome, Skipped, expect, outcomes, trying
from bench.check.ownership import OWNERSHIP
from bench.check.trial import LINEAR, TRIAL_SUITES, Setting, SharingCase, evaluated, gap, moments, setting
from bench.check.untouched import frozen_weights_stay, inputs_stay
from bench.core.sharing import Sharing
from bench.core.state import Phase


def builds(case: SharingCase) -> str | None:
    """On one, two and five tasks, linear and convolutional stages, or a sentence why not."""
    for text in LINEAR if case.fits_itself else TRIAL_SUITES:
        case.offer(setting(text))
    expect(
        case.settings,
        "At least one of the small suites should be supported. Found a refusal of each, as in "
        f"`{next(iter(case.refusals.values()), '')}`; let `supports` refuse only what cannot work.",
    )
    return "Refused: " + " ".join(f"`{text}` {why}" for text, why in case.refusals.items()) if case.refusals else None


def phases(case: SharingCase) -> None:
    """Parts of the budget with names of their own, whose shares sum to 1."""
    for text, values in forms(case.entry):
        try:
            parts = list(case.build(case.settings[0], values=values).phases())
        except ValueError:  # an option that does not fit: the rule on choices looks at it
            continue
        shares = [part.share for part in parts if isinstance(part, Phase)]
        expect(
            len({part.name for part in parts}) == len(shares) == len(parts)
            and all(share > 0 for share in shares)
            and abs(sum(shares) - 1) < 1e-9,
            "`phases` should be Phases with names of their own and positive shares that sum to 1. Found "
            f"{[(part.name, part.share) for part in parts]} with `{text}`; mend the shares.",
        )


def _answers(sharing: Sharing, at: Setting, where: str, dtype: torch.dtype) -> None:
    """Finite features of shape (n, *output_shape) for every task, in every phase."""
    shape: Any = getattr(sharing, "output_shape", None)
    expect(
        isinstance(shape, tuple) and all(isinstance(size, int) for size in shape),
        "`output_shape` should be the shape of one row of features, a tuple of whole numbers. Found "
        f"{shape!r} {where}; set it in the constructor.",
    )
    inputs = at.rows(dtype=dtype)
    for state in moments(sharing):
        with trying(f"`forward` {where} in phase `{state.phase}`"):
            features = sharing(inputs, state)
        names = sorted(features) if isinstance(features, dict) else type(features).__name__
        expect(
            names == sorted(inputs),
            f"`forward` should return a dict with the tasks of its inputs, {sorted(inputs)}. Found {names} {where}; "
            "give each task its features.",
        )
        for task, x in inputs.items():
            feature: Tensor = features[task]
            expect(
                feature.shape == (len(x), *shape) and bool(feature.isfinite().all()),
                f"The features of `{task}` should be finite and of shape {(len(x), *shape)}, rows then `output_shape`. "
                f"Found {tuple(feature.shape)} {where}; mend the features or `output_shape`.",
            )
            expect(
                feature.dtype == dtype,
                f"Features should have the type of the inputs, {dtype}. Found {feature.dtype} {where}; register "
                "tensors as buffers, and make new ones with `x.new_zeros` or `torch.zeros_like`.",
            )


def shapes(case: SharingCase) -> None:
    """Finite features of shape (n, *output_shape) for every task, in every phase."""
    for at in case.settings:
        _answers(case.build(at, dtype=torch.float32), at, f"on `{at.text}`", torch.float32)


def float64(case: SharingCase) -> None:
    """The same in double precision."""
    for at in case.settings:
        _answers(case.build(at), at, f"in float64 on `{at.text}`", torch.float64)


def choices(case: SharingCase) -> None:
    """Every choice of an option that names its choices works as well."""
    at = case.settings[0]
    for text, values in forms(case.entry):
        with trying(f"Building `{text}` on `{at.text}`"):
            try:
                sharing = case.build(at, values=values)
            except ValueError as error:
                if sentence(str(error)):
                    continue
                raise
        if sharing.supports(at.suite) is None:
            _answers(sharing, at, f"with `{text}` on `{at.text}`", torch.float64)


def fits(case: SharingCase) -> None:
    """One that is fitted by itself: from the same rows and seed the same finite features, other than without rows."""
    if not case.fits_itself:
        raise Skipped("it is trained by updates.")
    for at in case.settings:
        targets, found = at.suite.dataset("train", 0).targets, []
        for _ in range(2):
            sharing: Any = case.build(at)
            inputs, before = at.rows(), evaluated(sharing, at.rows())
            y = {task: targets[task][: len(x)].double().flatten() for task, x in inputs.items()}
            with trying(f"`fit` on `{at.text}`"):
                sharing.fit(inputs, y, 5, torch.Generator().manual_seed(0))
            found.append(evaluated(sharing, inputs))
        finite = all(bool(feature.isfinite().all()) for feature in found[0].values())
        expect(
            finite and gap(found[0], before) > 0,
            f"`forward` should give finite features after `fit`, others than before it. Found them on `{at.text}` "
            f"{'unchanged' if finite else 'not finite'}; keep in the module what `fit` finds.",
        )
        expect(
            gap(*found) == 0,
            f"`fit` should find the same from the same rows and generator. Found features {gap(*found):.1g} apart on "
            f"`{at.text}`; draw from the generator that is passed in.",
        )


def claimed_limits(case: SharingCase) -> None:
    """What `limits` claims holds after a few steps of plain SGD."""
    hold_limits(case.entry)


RULES = (
    documented,
    options,
    builds,
    phases,
    shapes,
    float64,
    choices,
    *OWNERSHIP,
    *BEHAVIOUR,
    inputs_stay,
    frozen_weights_stay,
    fits,
    claimed_limits,
)


def check(entry: Entry) -> Iterator[RuleOutcome]:
    """Every rule on one sharing."""
    return outcomes(f"sharing/{entry.name}", SharingCase(entry), RULES, {builds, phases, shapes, float64})
