"""The contract of a Sharing: the role of every parameter, and where it starts."""

import math
from collections import Counter

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.check.outcome import Skipped, expect
from bench.check.trial import SharingCase, compute_stand_in, list_moments
from bench.core.sharing import Blueprint

ROLES = ("trunk", "tower", "coupling")  # for which a protocol has a rate and a weight decay
COPIES = 8  # backbones of one seed among which a starting weight is looked for


def gradients(case: SharingCase) -> None:
    """The losses of all tasks reach every parameter, in some phase.

    A parameter that nothing reaches is counted in the size of the method and never moves. Phases are
    looked at together, since a method may train its parts in turn. Frozen parameters are left out, and a
    gradient of zeros is one.
    """
    for at, sharing in case.build_each():
        for state in list_moments(sharing):
            total = compute_stand_in(sharing, at.rows(), state)
            if total.requires_grad:  # in some phases nothing may be trained
                torch.autograd.backward(total)
        missed = [name for name, p in sharing.named_parameters() if p.requires_grad and p.grad is None]
        expect(
            not missed,
            f"The losses should reach every parameter. Found no gradient for {missed[:5]} on `{at.text}`; use them in "
            "`forward`, or make them buffers.",
        )


def regulariser(case: SharingCase) -> None:
    """A number or a 0-dimensional tensor, finite.

    Training adds it to the weighted losses, where any other shape would broadcast. The default is 0.
    """
    for at, sharing in case.build_each():
        term = torch.as_tensor(sharing.regulariser())
        expect(
            term.dim() == 0 and bool(term.isfinite()),
            f"`regulariser` should be a finite number, or a 0-dimensional tensor. Found shape {tuple(term.shape)} on "
            f"`{at.text}`; sum its terms.",
        )


def separate(case: SharingCase) -> None:
    """Tasks that are separate models have no parameter in common.

    For separate models the weighting is left out and each task keeps its own best epoch, both of which
    would be wrong with shared parameters. Owners are found by the gradient of each task's features.
    Skipped where `separate` is False.
    """
    for at in case.list_shared():
        sharing = case.build(at)
        if not sharing.separate:
            raise Skipped("the tasks are not separate models.")
        parameters = {name: p for name, p in sharing.named_parameters() if p.requires_grad}
        features = sharing(at.rows(), list_moments(sharing)[-1])
        owners: Counter[str] = Counter()  # parameter -> number of tasks that use it
        for feature in features.values():
            grads = torch.autograd.grad(feature.sum(), [*parameters.values()], retain_graph=True, allow_unused=True)
            owners.update(name for name, grad in zip(parameters, grads, strict=True) if grad is not None)
        common = [name for name, count in owners.items() if count > 1]
        expect(
            not common,
            "With `separate = True` each task should have parameters of its own. Found several tasks at "
            f"{common[:5]} on `{at.text}`; leave `separate` False.",
        )


def coupled(case: SharingCase) -> None:
    """The T aligned copies of each coupled parameter, of one shape, all of them in the module.

    A constraint stacks them along a last axis of T, so their order is that of the tasks. Copies that are
    one parameter T times, or tensors outside the module, would be held together without any effect.
    """
    for at, sharing in case.build_each():
        # Parameters are compared by identity: equal numbers are no sign of a common one.
        tasks, own = len(at.suite.tasks), {id(p) for p in sharing.parameters()}
        groups = sharing.coupled()
        expect(
            groups or not sharing.needs_constraint,
            "A sharing that needs a constraint should name copies for it in `coupled`. Found none; return "
            "`align_copies(self.towers)`.",
        )
        for name, copies in groups.items():
            expect(
                len(copies) == len({id(copy) for copy in copies}) == tasks,
                f"`coupled` should hold one parameter per task, {tasks} different ones. Found {len(copies)} of them, "
                f"{len({id(copy) for copy in copies})} different, for `{name}` on `{at.text}`; return "
                "`align_copies(self.towers)`.",
            )
            expect(
                all(isinstance(copy, Parameter) and id(copy) in own for copy in copies),
                f"The copies of `{name}` should be parameters of the module. Found one that is not; register it, "
                "in an nn.ModuleList for example.",
            )
            expect(
                len({copy.shape for copy in copies}) == 1,
                f"The copies of `{name}` should have one shape. Found {sorted({tuple(c.shape) for c in copies})}; "
                "couple only what is aligned.",
            )


def parameter_groups(case: SharingCase) -> None:
    """Every parameter in one group, in a role the protocol knows.

    In two groups it would be moved twice, in none never. Both optimisers are asked, since a sharing may
    answer differently. Frozen parameters may be left out.
    """
    for at, sharing in case.build_each():
        names = {id(p): name for name, p in sharing.named_parameters()}
        learning = {id(p) for p in sharing.parameters() if p.requires_grad}
        for optimiser in ("sgd", "adam"):
            groups = sharing.parameter_groups(optimiser)
            counts = Counter(id(p) for group in groups for p in group.parameters)
            wrong = [names.get(key, "a foreign one") for key, count in counts.items() if count > 1 or key not in names]
            wrong += [names[key] for key in learning - counts.keys()]
            expect(
                not wrong,
                f"`parameter_groups` should hold every parameter exactly once. Found it otherwise for {wrong[:5]} "
                f"under {optimiser} on `{at.text}`; list each in one group.",
            )
            odd = [(group.role, group.lr_factor) for group in groups if group.role not in ROLES]
            odd += [(g.role, g.lr_factor) for g in groups if not (math.isfinite(g.lr_factor) and g.lr_factor >= 0)]
            expect(
                not odd,
                f"A group should have a role among {', '.join(ROLES)} and a finite factor >= 0. Found {odd}; choose "
                "one of them.",
            )


def matrices(case: SharingCase) -> None:
    """What is stored about sharing is finite and detached.

    Records refuse NaN, and a gradient would keep the graph of the last update alive. The start is looked
    at, where mixing weights are at their initial values.
    """
    for at, sharing in case.build_each():
        for name, matrix in sharing.matrices().items():
            expect(
                isinstance(matrix, Tensor) and not matrix.requires_grad and bool(matrix.isfinite().all()),
                f"`matrices` should hold finite tensors without a gradient. Found `{name}` otherwise on `{at.text}`; "
                "return it with `.detach()`.",
            )


def paired_start(case: SharingCase) -> None:
    """Whole backbones of the plain shapes start from the weights of `single_task` of the same seed.

    Seeds are paired over methods: a difference of two methods should be one of sharing, and not of luck
    in the start. Only parts with the names and shapes of a plain backbone are compared, each with the
    first `COPIES` backbones of the seed. Skipped where no part has them.
    """
    matched = 0
    for at, sharing in case.build_each():
        blueprint = Blueprint(at.suite, 0)
        plain = [dict(blueprint.backbone(copy=copy).double().named_parameters()) for copy in range(COPIES)]
        first, *_ = plain[0]  # a name that every copy of a whole backbone in the module ends in
        own = dict(sharing.named_parameters())
        # The name of a copy is that of the first weight with a prefix, under which all others have to be as well.
        for name in own:
            prefix = name.removesuffix(first)
            if not name.endswith(f".{first}") or any(
                prefix + key not in own or own[prefix + key].shape != weight.shape for key, weight in plain[0].items()
            ):
                continue
            matched += 1
            expect(
                any(all(torch.equal(own[prefix + key], copy[key]) for key in copy) for copy in plain),
                f"`{prefix[:-1]}` should start as in `single_task` with the same seed, so that methods differ by what "
                f"they share. Found other weights on `{at.text}`; take it from `blueprint.backbone()` or "
                "`blueprint.towers()`.",
            )
    if not matched:
        raise Skipped("no part of the module has the names and shapes of the backbone.")


OWNERSHIP = (gradients, regulariser, separate, coupled, parameter_groups, matrices, paired_start)
