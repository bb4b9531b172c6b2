"""The forward pass of a network as a graph of its layers, and the places between them where it can be cut."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn

from bench.core.task import Shape
from bench.errors import UsageError

ROWS = 2  # of the batch that is run through a network to learn its shapes
OPENED = 0.5  # a layer with more than this share of all weights is traced through, for places inside it
_INNER = "network"  # of `_Call`, before the names of all layers


class _Call(nn.Module):
    """A network called with its first argument alone, so that others keep their defaults."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Any:
        return self.network(x)


class _Tracer(fx.Tracer):
    """Traces through the layers in `opened`, and through plain `nn.Sequential`; all other layers are nodes."""

    def __init__(self, opened: frozenset[str]) -> None:
        super().__init__()
        self.opened = opened

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        plain = isinstance(m, nn.Sequential) and type(m).forward is nn.Sequential.forward
        name = module_qualified_name.removeprefix(_INNER).removeprefix(".")
        return bool(name) and not plain and name not in self.opened


def trace_network(network: nn.Module, opened: frozenset[str]) -> fx.Graph:
    """The forward pass as a graph, traced through the layers named in `opened`.

    Raises what torch.fx raises where it cannot be traced.
    """
    graph = _Tracer(opened).trace(_Call(network))
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr"):
            node.target = str(node.target).removeprefix(f"{_INNER}.")
        # As of layers: what works in place writes into features that methods read.
        if node.op in ("call_function", "call_method") and node.kwargs.get("inplace") is True:
            node.kwargs = {**node.kwargs, "inplace": False}
    return graph


class TracedNetwork:
    """A network, its graph, and every value in it for a batch of two rows, in evaluation.

    Args:
        network: any.
        input_shape: of one row, channels first.

    Raises:
        UsageError: the forward pass cannot be traced, is another one in training than in evaluation, or does not
            take such rows.
    """

    def __init__(self, network: nn.Module, input_shape: Shape) -> None:
        self.network, self.input_shape = network, input_shape
        self.opened: frozenset[str] = frozenset()
        try:
            self.graph = trace_network(network, self.opened)
        except Exception as error:
            raise refuse_cut(network, f"a forward pass that cannot be traced ({cite_error(error)})") from error
        self._open_layers()
        self._confirm_one_pass()
        self.nodes = [node for node in self.graph.nodes if node.op != "output"]
        self.order = {node: number for number, node in enumerate(self.graph.nodes)}
        self.values = self._record_values()

    def _open_layers(self) -> None:
        """Trace through layers that hold most of the weights, for as long as that works."""
        total = sum(p.numel() for p in self.network.parameters())
        while True:
            layers = {str(n.target): self.network.get_submodule(n.target) for n in self.graph.nodes if _calls_layer(n)}
            large = {
                name
                for name, layer in layers.items()
                if sum(p.numel() for p in layer.parameters()) > OPENED * total and any(layer.children())
            } - self.opened
            if not large:
                return
            try:
                self.graph = trace_network(self.network, self.opened | large)
            except Exception:
                return  # it stays one layer
            self.opened |= large

    def _confirm_one_pass(self) -> None:
        """Raise UsageError where training runs other layers than evaluation: a graph has one of the two only."""
        graphs = []
        for training in (True, False):
            with hold_mode(self.network, training):
                graphs.append(trace_network(self.network, self.opened))
        if str(graphs[0]) != str(graphs[1]):
            raise refuse_cut(self.network, "a forward pass that is another one in training than in evaluation")

    def _record_values(self) -> dict[fx.Node, Any]:
        """Node -> its value."""
        values: dict[fx.Node, Any] = {}

        class Recorder(fx.Interpreter):
            def run_node(self, n: fx.Node) -> Any:
                values[n] = value = super().run_node(n)
                return value

        with hold_mode(self.network), torch.no_grad():
            recorder = Recorder(self.network, garbage_collect_values=False, graph=self.graph)  # type: ignore[arg-type]
            try:
                recorder.run(make_rows(self.network, self.input_shape), enable_io_processing=False)
            except Exception as error:
                raise refuse_rows_of(self.network, self.input_shape, error) from error
        return values

    def list_parameters(self, node: fx.Node) -> list[nn.Parameter]:
        """What a node has to learn."""
        if _calls_layer(node):
            return list(self.network.get_submodule(str(node.target)).parameters())
        if node.op == "get_attr":
            owner, _, name = str(node.target).rpartition(".")
            value = getattr(self.network.get_submodule(owner), name, None)
            return [value] if isinstance(value, nn.Parameter) else []
        return []

    @cached_property
    def places(self) -> list[fx.Node]:
        """The nodes behind which the network can be cut, in order.

        Behind such a node nothing but its value is used, it is a tensor with a row per input row, and no parameter
        from before it comes again.
        """
        last_use = {node: max((self.order[user] for user in node.users), default=-1) for node in self.nodes}
        spans: dict[int, tuple[int, int]] = {}  # parameter -> the first and the last node that use it
        for node in self.nodes:
            for parameter in self.list_parameters(node):
                first, _ = spans.get(id(parameter), (self.order[node], 0))
                spans[id(parameter)] = first, self.order[node]
        places = []
        for node in self.nodes:
            here, value = self.order[node], self.values[node]
            if node.op in ("placeholder", "get_attr") or not isinstance(value, Tensor) or value.dim() < 2:
                continue
            # A parameter can be read again in the next stage; any other value has to be passed on.
            alive = any(n.op != "get_attr" and self.order[n] < here < last_use[n] for n in self.nodes)
            tied = any(first <= here < last for first, last in spans.values())
            if len(value) == ROWS and value.is_floating_point() and not alive and not tied:
                places.append(node)
        return places


def _calls_layer(node: fx.Node) -> bool:
    return node.op == "call_module"


@contextmanager
def hold_mode(network: nn.Module, training: bool = False) -> Iterator[None]:
    """Inside, every layer is in training or in evaluation; afterwards each is as it was."""
    modes = {module: module.training for module in network.modules()}
    network.train(training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def make_rows(network: nn.Module, shape: Shape) -> Tensor:
    """Two different rows (2, *shape) with numbers in [-1, 1], of the type and on the device of the parameters."""
    like = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0))
    size = ROWS * int(torch.Size(shape).numel())
    return torch.linspace(-1, 1, size, dtype=like.dtype, device=like.device).reshape(ROWS, *shape)


def refuse_cut(network: nn.Module, reason: str) -> UsageError:
    """The one sentence on a network that cannot be cut, to be raised."""
    return UsageError(
        f"A network should run its layers one after the other to be cut into stages, `{type(network).__name__}` too. "
        f"Found {reason}; write it as an `nn.Sequential` of its stages, or choose another network."
    )


def refuse_rows_of(network: nn.Module, shape: Shape, error: Exception) -> UsageError:
    """The one sentence on a network that stumbles over rows of a shape, to be raised."""
    return UsageError(
        f"`{type(network).__name__}` should take rows of the shape {tuple(shape)}. Found {cite_error(error)}; choose "
        "another size of the images, or another network."
    )


def cite_error(error: Exception) -> str:
    """An error as part of a sentence: its type, and the first line of its text without a full stop."""
    line = next((line for line in str(error).strip().splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {line.strip()[:160].rstrip('.')}"
