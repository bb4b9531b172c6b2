"""The contract of a Sharing: that it is built, and answers in the right shapes.

Also the list of all rules of a sharing; `ownership`, `behaviour`, `untouched` and `muted` have the others.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.behaviour import BEHAVIOUR
from bench.check.limits import hold_limits
from bench.check.muted import muted_twin
from bench.check.options import documented, is_sentence, list_forms, options
from bench.check.outcome import RuleOutcome, Skipped, attempt, expect, run_rules
from bench.check.ownership import OWNERSHIP
from bench.check.trial import (
    FITTED_SUITES,
    TRIAL_SUITES,
    Setting,
    SharingCase,
    evaluate_features,
    list_moments,
    make_setting,
    measure_gap,
)
from bench.check.untouched import frozen_weights_stay, inputs_stay
from bench.core.sharing import Sharing
from bench.core.state import Phase


def builds(case: SharingCase) -> str | None:
    """On one, two and five tasks, linear and convolutional stages, or a sentence why not.

    Sharings that fit themselves are tried on a problem of a solver and on labels of 0 and 1 as well. At least one
    problem has to be supported, and is what all later rules are run on.

    Returns a note with the sentences of the refusals.
    """
    for text in (*FITTED_SUITES * case.fits_itself, *TRIAL_SUITES):
        case.offer(make_setting(text))
    expect(
        case.settings,
        "At least one of the small suites should be supported. Found a refusal of each, as in "
        f"`{next(iter(case.refusals.values()), '')}`; let `supports` refuse only what cannot work.",
    )
    return "Refused: " + " ".join(f"`{text}` {why}" for text, why in case.refusals.items()) if case.refusals else None


def phases(case: SharingCase) -> None:
    """Parts of the budget with names of their own, whose shares sum to 1.

    `forward` is told its phase by name, and all methods have the same budget.
    """
    for text, values in list_forms(case.entry):
        try:
            parts = list(case.build(case.settings[0], values=values).phases())
        except ValueError:  # an option that does not fit: the rule on choices looks at it
            continue
        shares = [part.share for part in parts if isinstance(part, Phase)]  # fewer than parts: another class
        expect(
            len({part.name for part in parts}) == len(shares) == len(parts)
            and all(share > 0 for share in shares)
            and abs(sum(shares) - 1) < 1e-9,
            "`phases` should be Phases with names of their own and positive shares that sum to 1. Found "
            f"{[(part.name, part.share) for part in parts]} with `{text}`; mend the shares.",
        )


def _check_answers(sharing: Sharing, at: Setting, where: str, dtype: torch.dtype) -> None:
    """Raise Broken unless features are finite and of shape (n, *output_shape) for every task, in every phase.

    Args:
        sharing: an instance.
        at: the problem whose rows it is given.
        where: the case in words, for the sentence.
        dtype: of the inputs, and so of the features.
    """
    shape: Any = getattr(sharing, "output_shape", None)
    expect(
        isinstance(shape, tuple) and all(isinstance(size, int) for size in shape),
        "`output_shape` should be the shape of one row of features, a tuple of whole numbers. Found "
        f"{shape!r} {where}; set it in the constructor.",
    )
    inputs = at.rows(dtype=dtype)
    for state in list_moments(sharing):
        with attempt(f"`forward` {where} in phase `{state.phase}`"):
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
    """Finite features of shape (n, *output_shape) for every task, in every phase.

    In single precision, in which models are trained. Heads are built from `output_shape` before any
    feature is seen.
    """
    for at in case.settings:
        _check_answers(case.build(at, dtype=torch.float32), at, f"on `{at.text}`", torch.float32)


def float64(case: SharingCase) -> None:
    """The same in double precision.

    A tensor that is made in a fixed type, and not from the inputs, shows here.
    """
    for at in case.settings:
        _check_answers(case.build(at), at, f"in float64 on `{at.text}`", torch.float64)


def choices(case: SharingCase) -> None:
    """Every choice of an option that names its choices works as well.

    A choice may be refused with a sentence, as where it wants another option beside it.
    """
    at = case.settings[0]  # one is enough: other rules look at the defaults on all of them
    for text, values in list_forms(case.entry):
        with attempt(f"Building `{text}` on `{at.text}`"):
            try:
                sharing = case.build(at, values=values)
            except ValueError as error:
                if is_sentence(str(error)):
                    continue
                raise
        if sharing.supports(at.suite) is None:  # a choice may narrow what is supported
            _check_answers(sharing, at, f"with `{text}` on `{at.text}`", torch.float64)


def fits(case: SharingCase) -> None:
    """A sharing that fits itself: from the same rows and seed the same finite features, other than without rows.

    `forward` before `fit` is what is believed without data; after it, rows have to have changed that.
    """
    if not case.fits_itself:
        raise Skipped("it is trained by updates.")
    for at in case.settings:
        targets, answers = at.suite.dataset("train", 0).targets, []
        for _ in range(2):
            sharing: Any = case.build(at)
            inputs, before = at.rows(), evaluate_features(sharing, at.rows())
            y = {task: targets[task][: len(x)].double().flatten() for task, x in inputs.items()}
            with attempt(f"`fit` on `{at.text}`"):
                sharing.fit(inputs, y, 5, torch.Generator().manual_seed(0))
            answers.append(evaluate_features(sharing, inputs))
        finite = all(bool(feature.isfinite().all()) for feature in answers[0].values())
        expect(
            finite and measure_gap(answers[0], before) > 0,
            f"`forward` should give finite features after `fit`, others than before it. Found them on `{at.text}` "
            f"{'unchanged' if finite else 'not finite'}; keep in the module what `fit` finds.",
        )
        distance = measure_gap(*answers)
        expect(
            distance == 0,
            "`fit` should find the same from the same rows and generator. Found features "
            f"{distance:.1g} apart on `{at.text}`; draw from the generator that is passed in.",
        )


def claimed_limits(case: SharingCase) -> None:
    """What `limits` claims holds after a few steps of plain SGD.

    A limit is the strongest test there is of an implementation: it has an exact answer. Skipped where
    nothing is claimed.
    """
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
    muted_twin,
    claimed_limits,
)


def check(entry: Entry) -> Iterator[RuleOutcome]:
    """Every rule on one sharing, registered or not; the outcomes come as the rules are run."""
    return run_rules(f"sharing/{entry.name}", SharingCase(entry), RULES, {builds, phases, shapes, float64})
