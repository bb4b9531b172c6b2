"""The contract of a Sharing: its twin, in which the path between tasks is cut and everything else is kept."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.catalogue.method import Method
from bench.catalogue.options import fill_defaults
from bench.check.behaviour import list_differences
from bench.check.options import is_sentence
from bench.check.outcome import Skipped, attempt, expect
from bench.check.trial import Setting, SharingCase, evaluate_features, list_moments
from bench.core.sharing import Sharing
from bench.core.state import TrainState
from bench.records import parse_call, parse_method

MOVE = 0.1  # standard deviation of the noise that moves parameters and rows, in float64


def muted_twin(case: SharingCase) -> str | None:
    """The twin that `twin` names: the same parameters and arithmetic, and nothing that two tasks' features depend on.

    For s other than t, d f_t / d theta = 0 exactly, entry by entry, for every theta that f_s depends on, in every
    phase; and f_t stays as it is, to the bit, when those entries, or the rows of s, are moved. Parameters start from
    the same values as without muting. Of a sharing that fits itself, the twin's f_t stays as it is when the labels of s
    are others.

    A twin that is another method has to be the text of one; what that one is held to is its own rules. Skipped where no
    twin is named. Returns a note with the settings where it is refused.
    """
    twin: str = case.entry.cls.twin  # type: ignore[attr-defined]
    if not twin:
        raise Skipped("no twin is named.")
    if "=" not in twin.partition(":")[0]:
        _check_text(twin)
        return None
    with attempt(f"Reading the options of the twin, `{twin}`,"):
        call = parse_call(f"{case.entry.name}:{twin}")
        values = fill_defaults(call.name, case.entry.options, call.options)
    if case.fits_itself:
        _check_fits_apart(case, values, twin)
        return None
    refusals = []
    for at in case.list_shared():
        try:
            muted = case.build(at, values=values)
        except ValueError as error:
            if not is_sentence(str(error)):
                raise
            refusals.append(f"`{at.text}` {error}")
            continue
        plain = case.build(at)
        _check_size(plain, muted, at, twin)
        # Away from the start, where gates of zeros and towers that are equal would hide a path.
        _move(muted, {name: torch.ones_like(p) for name, p in muted.named_parameters()})
        for number, (state, same) in enumerate(zip(list_moments(muted), list_moments(plain), strict=True)):
            if number:
                for module in (plain, muted):
                    module.begin(state.phase)
            _check_arithmetic((plain, same), (muted, state), at, twin)
            _check_cut(muted, state, at, twin)
    expect(
        len(refusals) < len(case.list_shared()),
        f"The twin `{twin}` should be built where the method is. Found a refusal of each, as in {refusals[:1]}; name "
        "another method as the twin.",
    )
    return "Refused: " + " ".join(refusals) if refusals else None


def _check_fits_apart(case: SharingCase, values: Mapping[str, Any], twin: str) -> None:
    """Raise Broken where, of a sharing that fits itself, the twin of one task follows the labels of another."""
    for at in case.list_shared():
        inputs, targets = at.rows(), at.suite.dataset("train", 0).targets
        y = {task: targets[task][: len(x)].double().flatten() for task, x in inputs.items()}
        before = _fit_once(case, at, values, inputs, y)
        first, *others = inputs
        for moved in ([first], others):
            after = _fit_once(case, at, values, inputs, y | {task: _move_labels(y[task]) for task in moved})
            changed = [task for task in inputs if task not in moved and not torch.equal(before[task], after[task])]
            expect(
                not changed,
                f"With `{twin}` what is fitted to a task should not follow the labels of others. Found {changed[:3]} "
                f"changed on `{at.text}` with those of {moved[:3]}; fit each task by itself.",
            )


def _move_labels(y: Tensor) -> Tensor:
    """Labels (n,) in another order and of another mean, one of which shows whatever is made of them."""
    binary = bool(((y == 0) | (y == 1)).all())
    return 1 - y.flip(0) if binary else y.flip(0) + 1


def _fit_once(
    case: SharingCase, at: Setting, values: Mapping[str, Any], inputs: Mapping[str, Tensor], y: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """task -> features after a fit of the sharing with these options to the labels y."""
    sharing: Any = case.build(at, values=values)
    sharing.fit(inputs, y, 5, torch.Generator().manual_seed(0))
    return evaluate_features(sharing, inputs)


def _check_text(twin: str) -> None:
    """Raise Broken unless `twin` is a method, once options that are taken over from the original are left out."""
    call = parse_method(twin).sharing
    given = {key: value for key, value in call.options.items() if value != "same"}
    with attempt(f"The twin `{twin}`"):
        options = Method.parse(str(type(call)(call.name, given))).sharing.entry.options
    unknown = call.options.keys() - options.keys()
    expect(
        not unknown, f"The options of the twin should be those of `{call.name}`. Found {sorted(unknown)}; drop them."
    )


def _check_size(plain: Sharing, muted: Sharing, at: Setting, twin: str) -> None:
    """Raise Broken unless both have the same parameters and buffers, with the same values."""
    differences = list_differences(plain.state_dict(), muted.state_dict())
    expect(
        not differences,
        f"With `{twin}` all parameters should stay, and start alike. Found differences in {differences[:5]} on "
        f"`{at.text}`; change what is read, and nothing that is built.",
    )


def _check_arithmetic(
    plain: tuple[Sharing, TrainState], muted: tuple[Sharing, TrainState], at: Setting, twin: str
) -> None:
    """Raise Broken unless products in `forward` cost the same, each module at its moment of training."""
    counts = [_count_operations(*each, at.rows()) for each in (plain, muted)]
    expect(
        counts[0] == counts[1],
        f"With `{twin}` the arithmetic should stay. Found {counts[1]:,} operations in the place of {counts[0]:,} on "
        f"`{at.text}` in phase `{muted[1].phase}`; run everything that runs without it.",
    )


def _count_operations(sharing: Sharing, state: TrainState, inputs: Mapping[str, Tensor]) -> int:
    """Multiplications and additions in the products and convolutions of one `forward`."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        sharing(inputs, state)
    return int(counter.get_total_flops())


def _check_cut(sharing: Sharing, state: TrainState, at: Setting, twin: str) -> None:
    """Raise Broken where two tasks' features depend on one entry of a parameter, or on rows of another task."""
    owned = _find_owned(sharing, state, at.rows())
    for name, parameter in sharing.named_parameters():
        tasks = [task for task in owned if bool(owned[task][name].any())]
        common = torch.stack([owned[task][name] for task in owned]).sum(dim=0) > 1
        expect(
            not common.any(),
            f"With `{twin}` no parameter should serve two tasks. Found that the features of {tasks[:3]} depend on "
            f"{int(common.sum())} of {parameter.numel()} common numbers of `{name}` on `{at.text}`; let each task read "
            "what is its own.",
        )
    rows = {task: x.clone() for task, x in at.rows().items()}  # a tensor for each, so that one can be moved alone
    kept = {name: p.detach().clone() for name, p in sharing.named_parameters()}
    with torch.no_grad():
        before = _run_once(sharing, state, rows)
    for task, x in rows.items():
        _move(sharing, owned[task])
        noise = MOVE * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
        with torch.no_grad():
            after = _run_once(sharing, state, rows | {task: x + noise})
            for name, p in sharing.named_parameters():
                p.copy_(kept[name])
        changed = [other for other in rows if other != task and not torch.equal(before[other], after[other])]
        expect(
            not changed,
            f"With `{twin}` the features of a task should not follow those of others. Found {changed[:3]} changed on "
            f"`{at.text}` when the parameters and the rows of `{task}` moved; let each task read what is its own.",
        )


def _find_owned(sharing: Sharing, state: TrainState, rows: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """task -> name of each parameter -> whether each entry moves the task's features, by autograd."""
    parameters = dict(sharing.named_parameters())
    learning = {name: p for name, p in parameters.items() if p.requires_grad}
    generator = torch.Generator().manual_seed(0)
    owned: dict[str, dict[str, Tensor]] = {}
    for task, feature in _run_once(sharing, state, rows).items():
        weight = torch.randn(feature.shape, generator=generator, dtype=feature.dtype)
        total = (weight * feature).sum()
        grads = torch.autograd.grad(total, [*learning.values()], retain_graph=True, allow_unused=True)
        known = dict(zip(learning, grads, strict=True))
        owned[task] = {
            name: torch.zeros_like(p, dtype=torch.bool) if (g := known.get(name)) is None else g != 0
            for name, p in parameters.items()
        }
    return owned


def _run_once(sharing: Sharing, state: TrainState, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The features in training mode, with the draws that a fresh generator gives."""
    generator = torch.Generator().manual_seed(0)
    moment = replace(state, generator=generator)
    return sharing.train()(rows, moment)  # type: ignore[no-any-return]


def _move(sharing: Sharing, where: Mapping[str, Tensor]) -> None:
    """Add noise to the entries of parameters for which `where`, by name, is 1 or true."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in sharing.named_parameters():
            p.add_(where[name] * MOVE * torch.randn(p.shape, generator=generator, dtype=p.dtype))
