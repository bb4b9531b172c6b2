"""Cutting a network that was made elsewhere into stages: torchvision's, timm's, or a user's own.

An `nn.Sequential` is cut before each of its children that has weights. Of any other network the forward pass is
traced, as deep as it has to be; it can be cut behind every layer whose output is all that the layers after it use.
Which of these places become ends of stages is read from the shapes: a stage ends where the map is about to change its
size, as the stages of published networks do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from bench.core.suite import Stage
from bench.core.task import Shape
from bench.errors import UsageError, add_article, quote_nearest
from bench.toolbox.tracing import TracedNetwork, hold_mode, make_rows, refuse_cut, refuse_rows_of, trace_network

SHARES = 4  # stages of a network whose maps keep their size, as a vision transformer's
# Layout of a network's own -> axes that bring channels to the front, and axes that take them back.
_TO_FRONT = {"channels_last": (0, 3, 1, 2), "tokens": (0, 2, 1)}
_TO_OWN = {"channels_last": (0, 2, 3, 1), "tokens": (0, 2, 1)}


@dataclass(frozen=True)
class Cuts:
    """Where a network is cut; the same for every network that is built alike.

    Args:
        ends: the node of the traced forward pass that each stage ends with.
        shapes: of one row behind each of them, channels first.
        layouts: how the network itself lays out what is there: `channels_first`, `channels_last` or `tokens`.
        opened: names of the layers that were traced through.
    """

    ends: tuple[str, ...]
    shapes: tuple[Shape, ...]
    layouts: tuple[str, ...]
    opened: frozenset[str]


class Layout(nn.Module):
    """Axes in another order: what a stage passes on has its channels first, whatever the network itself does."""

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


def cut(network: nn.Module, input_shape: Shape, after: str | Sequence[str] = (), until: str = "") -> nn.ModuleList:
    """The stages of `network`: run in order they give what the network gives, up to `until`.

    The layers are the network's own, not copies. BatchNorm stays BatchNorm: every tower keeps statistics of its own.

    Args:
        network: for rows of `input_shape`, without a layer for the tasks: heads are made by the suite.
        input_shape: of one row, channels first.
        after: names of layers, or one, as of `named_modules`, each of which ends a stage; by default see the module.
        until: name of the layer before which the features end, as `fc`; by default they end with the output.

    Returns:
        Stages in order, each with its `output_shape`, channels first.

    Raises:
        UsageError: it cannot be cut, or not there; one sentence that names what was found.
    """
    if not isinstance(network, nn.Module):
        raise UsageError(
            f"`network` should be a module. Found {add_article(type(network).__name__)}; give an instance, as "
            "`torchvision.models.resnet18()`."
        )
    if not (isinstance(input_shape, Sequence) and all(type(axis) is int and axis > 0 for axis in input_shape)):
        raise UsageError(f"`input_shape` should be the shape of one row, as `(3, 224, 224)`. Found {input_shape!r}.")
    after = [after] if isinstance(after, str) else after
    if type(network) is nn.Sequential and not after and not until:
        return _cut_sequential(network, input_shape)
    return apply_cuts(network, find_cuts(network, input_shape, after, until))


def find_cuts(
    network: nn.Module, input_shape: Shape, after: Sequence[str] = (), until: str = "", maps: bool = False
) -> Cuts:
    """Where `network` is cut into stages; otherwise as `cut`.

    maps: end with the last map before a pooling over the whole image, where no weights come behind it.
    """
    traced = TracedNetwork(network, input_shape)
    places = _end_features(traced, until, maps)
    ends = _find_ends(traced, places, after) if after else _choose_ends(traced, places)
    if len(ends) < 2:
        what = "layers, of which one has all the weights" if len(places) > 1 else "branches that only meet at its end"
        raise refuse_cut(network, what)
    layouts = [_guess_layout(traced.values[node], input_shape) for node in ends]
    values = [_to_front(traced.values[node], layout) for node, layout in zip(ends, layouts, strict=True)]
    cuts = Cuts(
        tuple(node.name for node in ends), tuple(tuple(v.shape[1:]) for v in values), tuple(layouts), traced.opened
    )
    _verify_cuts(network, cuts, input_shape, values[-1])
    return cuts


def apply_cuts(network: nn.Module, cuts: Cuts) -> nn.ModuleList:
    """The stages of a network that is built as the one that `cuts` were found of."""
    graph = trace_network(network, cuts.opened)
    stages: list[Stage] = []
    begin, own = "", "channels_first"
    for end, shape, layout in zip(cuts.ends, cuts.shapes, cuts.layouts, strict=True):
        part: list[nn.Module] = [_build_part(network, graph, begin, end)]
        if own in _TO_OWN:
            part.insert(0, Layout(_TO_OWN[own]))
        if layout in _TO_FRONT:
            part.append(Layout(_TO_FRONT[layout]))
        stages.append(Stage(*part, output_shape=shape))
        begin, own = end, layout
    return nn.ModuleList(stages)


def _cut_sequential(network: nn.Sequential, input_shape: Shape) -> nn.ModuleList:
    """A stage from each child with weights to the next; children before the first one join it."""
    groups: list[list[nn.Module]] = [[]]
    for child in network:
        if _has_weights(child) and any(map(_has_weights, groups[-1])):
            groups.append([])
        groups[-1].append(child)
    stages: list[Stage] = []
    with hold_mode(network), torch.no_grad():
        x = make_rows(network, input_shape)
        for group in groups:
            try:
                x = nn.Sequential(*group)(x)
            except Exception as error:
                raise refuse_rows_of(network, input_shape, error) from error
            stages.append(Stage(*group, output_shape=tuple(x.shape[1:])))
    return nn.ModuleList(stages)


def _has_weights(module: nn.Module) -> bool:
    """Whether a layer is more than a norm or a function: it has a parameter of two axes or more, or a lazy one."""
    return any(nn.parameter.is_lazy(p) or p.dim() > 1 for p in module.parameters())


def _end_features(traced: TracedNetwork, until: str, maps: bool) -> list[fx.Node]:
    """The places up to the end of the features."""
    places = traced.places
    if until:
        reached = [traced.order[node] for node in traced.nodes if _is_part(node, until)]
        if not reached:
            raise _refuse_name(traced, "until", until)
        places = [node for node in places if traced.order[node] < reached[0]]
    if not places:
        raise refuse_cut(traced.network, "branches that only meet at its end")
    if maps:
        # Back over pooling and flattening, but never over weights: a transformer's maps lie before all of it.
        for number, node in reversed(list(enumerate(places))):
            if traced.values[node].dim() == 4 and not _pools_all(traced, node):
                return places[: number + 1]
            if traced.list_parameters(node):
                break
    return places


def _find_ends(traced: TracedNetwork, places: Sequence[fx.Node], names: Sequence[str]) -> list[fx.Node]:
    """The last place inside each named layer, and that of the output."""
    ends = {places[-1]}
    for name in names:
        inside = [node for node in traced.nodes if _is_part(node, name)]
        if not inside or inside[-1] not in places:
            raise _refuse_name(traced, "after", name, [node for node in places if node.op == "call_module"])
        ends.add(inside[-1])
    return [node for node in places if node in ends]


def _choose_ends(traced: TracedNetwork, places: Sequence[fx.Node]) -> list[fx.Node]:
    """The last place of each size of the maps; for vectors each place before a layer with weights.

    Where the size hardly changes, as in a transformer, stages are four equal shares of the weights.
    """
    weights = dict(zip(places, _sum_weights(traced, places), strict=True))
    sizes = [_measure_map(traced.values[node], traced.input_shape) for node in places]
    ends = [
        place
        for place, following, size, next_size in zip(places, places[1:], sizes, sizes[1:], strict=False)
        if size != next_size or (not size and weights[following] > weights[place])
    ]
    ends = _drop_idle([*ends, places[-1]], weights)
    total = weights[places[-1]]
    if len(ends) < 3 and sizes[next(n for n, place in enumerate(places) if weights[place] >= total / 2)]:
        equal = {next(p for p in places if weights[p] >= total * n / SHARES) for n in range(1, SHARES + 1)}
        ends = _drop_idle([place for place in places if place in equal or place is places[-1]], weights)
    return ends


def _drop_idle(ends: Sequence[fx.Node], weights: Mapping[fx.Node, int]) -> list[fx.Node]:
    """`ends` without stages that have no weights: such a one joins the next, the last the one before."""
    kept: list[fx.Node] = []
    for node in ends:
        if weights[node] > (weights[kept[-1]] if kept else 0):
            kept.append(node)
    return [*kept[:-1], ends[-1]]


def _sum_weights(traced: TracedNetwork, places: Sequence[fx.Node]) -> list[int]:
    """Numbers in parameters of two axes or more, up to and with each place."""
    total, sums = 0, []
    nodes = iter(traced.nodes)
    for place in places:
        for node in nodes:
            total += sum(p.numel() for p in traced.list_parameters(node) if p.dim() > 1)
            if node is place:
                break
        sums.append(total)
    return sums


def _measure_map(value: Tensor, input_shape: Shape) -> Shape:
    """What tells maps of different sizes apart: all axes but channels; empty for vectors."""
    return tuple(_to_front(value, _guess_layout(value, input_shape)).shape[2:])


def _guess_layout(value: Tensor, input_shape: Shape) -> str:
    """How a value (n, ...) is laid out in a network for images of `input_shape`.

    Three axes are tokens (n, length, channels). Of four, rows and columns are the two next to each other that are those
    of the image over one whole number, to a pixel.
    """
    if len(input_shape) != 3 or value.dim() not in (3, 4):
        return "channels_first"
    if value.dim() == 3:
        return "tokens"
    _, rows, columns = input_shape
    first, second, third = value.shape[1:]

    def is_map(down: int, across: int) -> bool:
        stride = max(1, round(rows / down))
        return abs(down * stride - rows) <= stride and abs(across * stride - columns) <= stride

    return "channels_last" if is_map(first, second) and not is_map(second, third) else "channels_first"


def _to_front(value: Tensor, layout: str) -> Tensor:
    """A value with its channels first."""
    return value.permute(_TO_FRONT[layout]) if layout in _TO_FRONT else value


def _is_part(node: fx.Node, name: str) -> bool:
    """Whether a node is the layer `name`, or inside it."""
    return node.op == "call_module" and (f"{node.target}.").startswith(f"{name}.")


def _pools_all(traced: TracedNetwork, node: fx.Node) -> bool:
    """Whether a node brings maps to a size of its own choice, as global pooling does."""
    layer = traced.network.get_submodule(str(node.target)) if node.op == "call_module" else node.target
    return "adaptive" in str(getattr(layer, "__name__", type(layer).__name__)).lower()


def _refuse_name(traced: TracedNetwork, option: str, name: str, nodes: Sequence[fx.Node] | None = None) -> UsageError:
    """The one sentence on a name that is no layer, or none to cut at."""
    known = {str(node.target) for node in (traced.nodes if nodes is None else nodes) if node.op == "call_module"}
    known |= {name.rpartition(".")[0] for name in known if "." in name}
    return UsageError(
        f"`{option}` should name a layer of `{type(traced.network).__name__}` whose output is all that is used behind "
        f"it; the nearest: {quote_nearest(name, known)}. Found `{name}`."
    )


def _build_part(network: nn.Module, graph: fx.Graph, begin: str, end: str) -> fx.GraphModule:
    """The layers behind the node `begin`, empty for the input, up to and with the node `end`, as a module."""
    nodes = {node.name: node for node in graph.nodes}
    names = list(nodes)
    first = names.index(begin) if begin else 0  # the input is the first node
    part = fx.Graph()
    copies = {nodes[names[first]]: part.placeholder("x")}
    chosen = [nodes[name] for name in names[first + 1 : names.index(end) + 1]]
    parameters = {n for node in chosen for n in node.all_input_nodes if n.op == "get_attr"} - {*chosen}
    for node in (*(node for node in nodes.values() if node in parameters), *chosen):
        copies[node] = part.node_copy(node, copies.__getitem__)
    part.output(copies[nodes[end]])
    return fx.GraphModule(network, part, type(network).__name__)


def _verify_cuts(network: nn.Module, cuts: Cuts, input_shape: Shape, expected: Tensor) -> None:
    """Run the stages on the same rows. Raises UsageError where the answer differs, or a stage changes its input."""
    if expected.is_meta:
        return  # there are no numbers
    with hold_mode(network), torch.no_grad():
        x = make_rows(network, input_shape)
        for number, stage in enumerate(apply_cuts(network, cuts)):
            before, result = x.clone(), stage(x)
            if not torch.equal(before, x):
                raise refuse_cut(network, f"that it writes into the input of its stage {number}")
            x = result
    if not torch.equal(x, expected):
        raise refuse_cut(network, "that its stages do not give what it gives")
