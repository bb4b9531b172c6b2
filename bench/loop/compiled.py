"""Which losses reach which parameters where a compiled graph hides it: its backward pass gives zeros for none."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bench.core.state import TrainState
from bench.loop.network import SharedNetwork
from bench.loop.own_stages import move_like
from bench.toolbox.named_inputs import hold_named_inputs
from bench.toolbox.tracing import hold_mode


def come_from_compiled(losses: Sequence[Tensor]) -> bool:
    """Whether a compiled graph is behind the losses, which has gradients of zero where others have none."""
    waiting: list[Any] = [loss.grad_fn for loss in losses]
    seen: set[Any] = {None}
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            if "Compiled" in node.name():
                return True
            waiting.extend(before for before, _ in node.next_functions)
    return False


def find_reach(network: SharedNetwork, example: Any, state: TrainState) -> list[list[bool]]:
    """For each task which of the parameters that learn its features and its head are made of, T lists.

    With zeros for none, everything would count as shared. Found on the example, by a pass that is not compiled.
    """
    parameters, sharing = network.learning, [p for p in network.sharing.parameters() if p.requires_grad]
    rows = move_like(example, sharing[0])
    with hold_mode(network.sharing), torch.random.fork_rng(devices=[]), hold_named_inputs(rows):
        features = network.sharing(dict.fromkeys(network.names, rows), state)
        reach = []
        for name in network.names:
            found = torch.autograd.grad(features[name].sum(), sharing, retain_graph=True, allow_unused=True)
            own = {id(p) for p, gradient in zip(sharing, found, strict=True) if gradient is not None}
            own |= {id(p) for p in network.heads[name].parameters()}
            reach.append([id(p) in own for p in parameters])
    return reach
