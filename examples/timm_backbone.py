"""A network of timm, cut into stages that tasks can share: what an image shows, and how bright each place is.

Needs timm: pip install 'mtlbench[timm]'. Run it: python examples/timm_backbone.py
"""

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

import mtlbench as mb

torch.manual_seed(0)
draw = torch.Generator().manual_seed(0)


def draw_batch(rows: int = 8) -> tuple[Tensor, dict[str, Tensor]]:
    """Images with a bright half, left or right; its side is a class, its map a target for every place."""
    side = torch.randint(0, 2, (rows,), generator=draw)
    bright = torch.zeros(rows, 1, 1, 64)
    bright[side == 0, ..., :32] = 1
    bright[side == 1, ..., 32:] = 1
    x = bright.expand(-1, 3, 64, -1) + 0.3 * torch.randn(rows, 3, 64, 64, generator=draw)
    return x, {"side": side, "map": bright[..., 8::16].expand(-1, 1, 4, -1)}


# Without classifier and pooling it ends in a map. `pretrained=True` loads weights that were trained on images.
network = timm.create_model("resnet10t", pretrained=False, num_classes=0, global_pool="")
stages = mb.cut(network, (3, 64, 64))  # where the maps change their size; run in order they give what the network gives
for number, stage in enumerate(stages):
    print(f"stage {number}: {sum(p.numel() for p in stage.parameters())} weights, features {stage.output_shape}")

# The last map is 2 x 2 here, so the dense head goes up again. Every tower keeps statistics of BatchNorm of its own.
channels = stages[-1].output_shape[0]
heads = {
    "side": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2)),
    "map": nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, 1, 1)),
}
# The first two stages are shared, then every task has its own.
net = mb.share(stages, heads, method="hard:split=2", example=draw_batch()[0])
optimiser = torch.optim.AdamW(net.parameter_groups(lr=2e-3))
loss = {"side": cross_entropy, "map": mse_loss}
for step in range(12):
    x, y = draw_batch()
    losses = {task: loss[task](prediction, y[task]) for task, prediction in net(x).items()}
    total = net.step(losses, optimiser)
    if step % 11 == 0:
        print(f"step {step}: loss {total:.3f}")
