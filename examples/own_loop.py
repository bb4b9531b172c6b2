"""Two tasks in a training loop of your own: what do they owe each other?

One network for both (`hard`), one for each (`single_task`), and two that read each other's features (`cross_stitch`),
trained alike. Run it: python examples/own_loop.py
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

import mtlbench as mb

draw = torch.Generator().manual_seed(0)


def draw_batch(rows: int = 64) -> tuple[Tensor, dict[str, Tensor]]:
    """Inputs, and for each task its targets. Both tasks look at the same two numbers of the ten."""
    x = torch.randn(rows, 10, generator=draw)
    radius = x[:, :2].norm(dim=1)
    return x, {"far": (radius > 1.2).long(), "radius": radius.unsqueeze(1)}


# The backbone as a list of stages. Methods share, split and mix between stages, so where you cut is where they can act.
stages = [nn.Sequential(nn.Linear(10, 32), nn.ReLU()), nn.Sequential(nn.Linear(32, 32), nn.ReLU())]
# A head for each task, on the features of the last stage.
heads = {"far": nn.Linear(32, 2), "radius": nn.Linear(32, 1)}
loss = {"far": cross_entropy, "radius": mse_loss}

test_x, test_y = draw_batch(2000)
for method in ["single_task", "hard", "hard@pcgrad", "cross_stitch", "soft+l2:halflife=50"]:
    draw.manual_seed(1)  # every method sees the same batches, and starts from the same weights
    net = mb.share(stages, heads, method)  # copies the modules
    optimiser = torch.optim.Adam(net.parameter_groups(lr=3e-3))
    for _ in range(150):
        x, y = draw_batch()
        losses = {task: loss[task](prediction, y[task]) for task, prediction in net(x).items()}
        net.step(losses, optimiser)  # weights the losses, goes back, steps, and applies the constraint
    net.eval()
    with torch.no_grad():
        predictions = net(test_x)
    accuracy = (predictions["far"].argmax(dim=1) == test_y["far"]).float().mean()
    error = (predictions["radius"] - test_y["radius"]).abs().mean()
    print(f"{method:22} far: {accuracy:.3f} right   radius: {error:.3f} off")
