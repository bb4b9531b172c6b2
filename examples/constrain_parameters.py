"""A constraint on parameters of somebody else: regressions of eight towns that are held to few common directions.

The trace norm of their weights, stacked to a matrix, is made small: the towns then share a subspace, and each has far
fewer numbers to learn from its few rows. Run it: python examples/constrain_parameters.py
"""

import torch
from torch import nn

import mtlbench as mb

TOWNS, FEATURES, ROWS = 8, 20, 15
draw = torch.Generator().manual_seed(0)
# The truth: weights of every town are a mixture of the same two directions.
truth = torch.randn(TOWNS, 2, generator=draw) @ torch.randn(2, FEATURES, generator=draw)
x = torch.randn(TOWNS, ROWS, FEATURES, generator=draw)
y = (x * truth.unsqueeze(1)).sum(dim=2, keepdim=True) + 0.3 * torch.randn(TOWNS, ROWS, 1, generator=draw)

for strength in [0.0, 1.0]:
    models = [nn.Linear(FEATURES, 1, bias=False) for _ in range(TOWNS)]  # any modules of one architecture
    for model in models:
        nn.init.zeros_(model.weight)
    optimiser = torch.optim.SGD([model.weight for model in models], lr=0.05)
    held = mb.constrain(models, mb.constraints.TraceNorm, lr=0.05, strength=strength)
    for _ in range(500):
        optimiser.zero_grad()
        losses = [(model(x[town]) - y[town]).square().mean() for town, model in enumerate(models)]
        (sum(losses) + held.penalty()).backward()  # the trace norm has a prox, so its penalty is 0
        optimiser.step()
        held.after_step(optimiser)  # its prox, with the learning rate of the step
    weights = torch.cat([model.weight.detach() for model in models])
    singular = torch.linalg.svdvals(weights)
    rank = int((singular > 1e-3 * singular[0]).sum())
    error = (weights - truth).square().mean().sqrt()
    print(f"strength {strength}: rank {rank}, weights {error:.3f} off")
