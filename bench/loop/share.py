"""`share`: a network of a user's stages and heads, in which a method decides who owns which parameters.

net = share([stem, body], heads={"depth": Depth(), "normals": Normals()}, method="cross_stitch+l2@pcgrad")
optimiser = torch.optim.Adam(net.parameter_groups(lr=1e-3))
net.step({task: loss(task, prediction) for task, prediction in net(x).items()}, optimiser)
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.core.fresh import prepare_module
from bench.core.sharing import Sharing, own_stream
from bench.core.state import TrainState
from bench.errors import UsageError, add_article, require_choice, require_number, require_text
from bench.loop.own_modules import copy_module
from bench.loop.own_network import OwnNetwork
from bench.loop.own_stages import (
    ChannelAxis,
    OwnBlueprint,
    OwnStages,
    Stages,
    TasksOfLoop,
    run_shapes,
    to_last_axis,
)
from bench.loop.own_state import LoopState
from bench.records import derive_seed
from bench.toolbox.named_inputs import hold_named_inputs
from bench.toolbox.tracing import hold_mode


class _Head(nn.Module):
    """A head for features with channels in the last axis, behind a sharing that has them first."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, features: Tensor) -> Any:
        return self.module(to_last_axis(features))


def share(
    stages: Stages,
    heads: Mapping[str, nn.Module] | nn.ModuleDict,
    method: str = "hard",
    *,
    example: Any = None,
    layout: ChannelAxis | None = None,
    seed: int = 0,
    lr: float | None = None,
    updates: int | None = None,
    steps_per_epoch: int | None = None,
    coordinates: Literal["mean", "copies"] = "mean",
    loss_reduction: Literal["sum", "mean"] = "sum",
) -> OwnNetwork:
    """A network in which `method` decides who owns which parameters of the stages, for a loop of one's own.

    The modules are copied, and stay as they are. Every method of a seed starts from the same weights: those of the
    modules, and for towers or experts beyond the first those that `reset_parameters` of their layers draws.

    Args:
        stages: modules in order, each of which takes the features of the one before, as a backbone cut at the places
            where methods may act (`mtlbench.cut`); or a function of a width that returns fresh ones.
        heads: task -> module from the features of the last stage to its prediction.
        method: as on the command line, `sharing+constraint@weighting`.
        example: a batch of the input, where shapes cannot be told from the first layer; it is run once.
        layout: where features have their channels; `channels_last` for tokens (n, length, channels). By default what
            the stages say of themselves, or `channels_first`.
        seed: of everything that the method draws.
        lr: the learning rate at the start, where the optimiser is not made of `parameter_groups(lr=...)`.
        updates: in the whole budget, for methods with phases and constraints with a schedule.
        steps_per_epoch: updates in an epoch, for weightings that compare epochs.
        coordinates: of copies that a constraint holds, as the optimiser sees them: their `mean` and the deviations from
            it, so that tied copies are hard sharing under any optimiser; or the `copies`, each by itself.
        loss_reduction: of the weighted losses.

    Raises:
        UsageError: in one sentence, what of stages, heads or method does not fit.
    """
    _check_arguments(method, seed, lr, {"updates": updates, "steps_per_epoch": steps_per_epoch})
    require_choice("coordinates", coordinates, ("mean", "copies"))
    require_choice("loss_reduction", loss_reduction, ("sum", "mean"))
    if layout is not None:
        require_choice("layout", layout, ("channels_first", "channels_last"))
    chosen = Method.parse(method)
    heads = dict(heads.items()) if isinstance(heads, nn.ModuleDict) else heads
    _check_parts(stages, heads)
    if chosen.fits_itself:
        raise UsageError(
            f"`{chosen.sharing.short}` is fitted to all rows at once, without steps. Found it in a loop; take another "
            f"method, or `mtlbench run SUITE {chosen.sharing.short}`."
        )
    layout = layout or _find_layout(stages)
    own = OwnStages(stages, layout, example)
    own.rows()  # before a sharing counts sizes on the meta device
    suite = TasksOfLoop(list(heads), own)
    sharing = chosen.build_from(OwnBlueprint(suite, seed, stages=own))
    if example is None:
        _refuse_guess(sharing, chosen, own, list(heads))
    state = LoopState(
        updates=updates or 1,
        steps_per_epoch=steps_per_epoch or 1,
        generator=torch.Generator().manual_seed(derive_seed(seed, "train")),
        known=updates is not None,
        paced=steps_per_epoch is not None,
    )
    copies = {name: copy_module(head, f"The head of `{name}`") for name, head in heads.items()}
    if layout == "channels_last":
        copies = {name: _Head(head) for name, head in copies.items()}
    for name, head in copies.items():
        with own_stream(seed, "head", name):  # of lazy layers
            prepare_module(head, sharing.output_shape, f"The head of `{name}`")
    network = OwnNetwork(
        *(chosen, sharing, copies, state, own.rows()),
        lr=lr,
        centred=coordinates == "mean",
        mean=loss_reduction == "mean",
    )
    _check_budget(network, chosen)
    network.to(*own.find_home())
    if example is not None:
        with torch.no_grad(), hold_mode(network):
            network(example)
    _refuse_writing_heads(network, own.rows())
    return network


def _find_layout(stages: Stages) -> ChannelAxis:
    """The layout that stages say they have, as those of a transformer; otherwise channels first."""
    with own_stream("layout"):  # fresh stages draw weights
        modules = stages if isinstance(stages, Sequence | nn.ModuleList) else stages(1.0)
    said = [getattr(stage, "layout", None) for stage in modules]
    return "channels_last" if "channels_last" in said else "channels_first"


@torch.no_grad()
def _refuse_writing_heads(network: OwnNetwork, rows: Any) -> None:
    """Raise UsageError for a head that writes into its features, which other heads read, too."""
    for name, head in network.heads.items():
        try:
            with hold_mode(network), hold_named_inputs(rows):
                features = network.sharing({name: rows}, replace(network.state, generator=None))[name]
                before = features.clone()
                head(features)
        except Exception:  # rows that were guessed, and that the head does not take
            return
        if not torch.equal(before, features):
            raise UsageError(
                f"A head should leave its features, since other heads read them, too. Found that of `{name}` writing "
                "into them; write `x = x + 1`, say, in place of `x += 1`."
            )


def _check_arguments(method: Any, seed: Any, lr: Any, counts: Mapping[str, Any]) -> None:
    """Raise UsageError where a method is no text, or a number is out of its range."""
    require_text("method", method)
    require_number("seed", seed, least=0, whole=True)
    if lr is not None:
        require_number("lr", lr, above=0)
    for name, count in counts.items():
        if count is not None:
            require_number(name, count, least=1, whole=True)


def _check_parts(stages: Any, heads: Any) -> None:
    """Raise UsageError where stages or heads are not modules of their kind."""
    if isinstance(stages, nn.Module) and not isinstance(stages, nn.ModuleList):
        raise UsageError(
            f"`stages` should be a list of modules, in order. Found one `{type(stages).__name__}`; cut it, as by "
            "`mtlbench.cut(network, input_shape)`."
        )
    if not isinstance(stages, Sequence | nn.ModuleList) and not callable(stages):
        raise UsageError(f"`stages` should be a list of modules, in order. Found {add_article(type(stages).__name__)}.")
    if isinstance(stages, Sequence | nn.ModuleList):
        other = next((type(stage).__name__ for stage in stages if not isinstance(stage, nn.Module)), None)
        if other or not len(stages):
            raise UsageError(f"`stages` should be a list of modules, in order. Found {other or 'an empty one'} in it.")
    if not isinstance(heads, Mapping) or not heads:
        raise UsageError("`heads` should be a dictionary, task -> module, with a task at least.")
    for name, head in heads.items():
        if not isinstance(name, str) or not name or "." in name:
            raise UsageError(f"The name of a task should be a text without dots. Found {name!r}; name the head anew.")
        if not isinstance(head, nn.Module):
            raise UsageError(f"The head of `{name}` should be a module. Found {add_article(type(head).__name__)}.")
    owners = {f"the head of `{name}`": head for name, head in heads.items()}
    if isinstance(stages, Sequence | nn.ModuleList):
        owners = {"the stages": nn.ModuleList(list(stages)), **owners}
    first: dict[int, str] = {}
    for owner, module in owners.items():
        for name, parameter in module.named_parameters():
            other = first.setdefault(id(parameter), owner)
            if other != owner:
                raise UsageError(
                    f"A weight should belong to the stages or to one head. Found `{name}` of {owner} in {other}, too; "
                    "untie it, or make a layer that heads share the last stage."
                )


def _check_budget(network: OwnNetwork, method: Method) -> None:
    """Raise UsageError for a method that goes by the budget, where the loop's is unknown."""
    scheduled = any(held.is_scheduled for held in network.held)
    if not network.state.known and (len(network.phases) > 1 or scheduled):
        raise UsageError(
            f"`{method.short}` should be given the number of updates in all, since it "
            f"{'has a schedule' if scheduled else 'trains in phases'}. Found none; add `updates=...`."
        )


@torch.no_grad()
def _refuse_guess(sharing: Sharing, method: Method, own: OwnStages, names: Sequence[str]) -> None:
    """Raise UsageError where a method goes by the size of images, which nobody told."""
    rows = own.rows()
    if rows.dim() < 3:
        return
    larger = rows.new_zeros(*rows.shape[:2], *(side + 32 for side in rows.shape[2:]))
    try:
        run_shapes(own.copy_stages(1.0), larger)
    except Exception:  # the stages take one size only, which was found
        return
    try:
        with hold_mode(sharing):
            sharing(dict.fromkeys(names, larger), TrainState(phase=sharing.phases()[0].name))
    except Exception as error:
        raise UsageError(
            f"`example` should be given for `{method.short}`, some of whose layers go by the size of the input; add "
            "`example=x`, a batch as the network will be given it."
        ) from error
