"""Adapters for each task on a frozen encoder: those of this library, and PEFT's held together by a constraint.

Needs both: pip install 'mtlbench[transformers]'. Run it: python examples/adapters.py
"""

import copy

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import BertConfig, BertModel

import mtlbench as mb

torch.manual_seed(0)
TASKS = ["topic", "mood"]
config = BertConfig(vocab_size=30, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
encoder = BertModel(config, add_pooling_layer=False).eval().requires_grad_(False)  # frozen
ids = torch.randint(4, 30, (16, 8))
labels = {"topic": ids.float().mean(dim=1, keepdim=True) / 30, "mood": ids.float().std(dim=1, keepdim=True) / 30}


class First(nn.Module):
    """A head on the first token."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(32, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.linear(hidden[:, 0])


heads = nn.ModuleDict({task: First() for task in TASKS})

# 1. `lora`: to every weight of the encoder, W_t = W_0 + B_t A_t / rank for each task. Frozen weights W_0 stay.
net = mb.share(mb.cut_encoder(encoder, 2), heads, method="lora:rank=2", example={"input_ids": ids})
optimiser = torch.optim.Adam(net.parameter_groups(lr=1e-2))
for _ in range(30):
    predictions = net({"input_ids": ids})
    total = net.step({task: (predictions[task] - labels[task]).square().mean() for task in TASKS}, optimiser)
learning = sum(p.numel() for p in net.parameters() if p.requires_grad)
print(f"lora: {learning} of {sum(p.numel() for p in net.parameters())} numbers learn, loss {total:.4f}")

# 2. PEFT: an adapter for each task, in a training loop of your own. `constrain` holds their matrices together.
lora = LoraConfig(r=2, target_modules=["query", "value"], init_lora_weights=False)
model = get_peft_model(copy.deepcopy(encoder), lora, adapter_name="topic")
model.add_adapter("mood", lora)
pairs: dict[str, list[nn.Parameter]] = {}  # place -> the matrix of each task
for name, parameter in model.named_parameters():
    for task in TASKS:
        if f".{task}." in name:
            pairs.setdefault(name.replace(f".{task}.", "."), []).append(parameter)


@torch.no_grad()
def measure_distance() -> float:
    """The mean distance between the matrices of the two tasks."""
    return float(torch.stack([(first - second).norm() for first, second in pairs.values()]).mean())


parameters = [*heads.parameters(), *(parameter for pair in pairs.values() for parameter in pair)]
optimiser = torch.optim.Adam(parameters, lr=1e-2)
held = mb.constrain(pairs, "l2:halflife=5", lr=1e-2)  # halves what they differ by in 5 updates
print(f"adapters of PEFT: {len(pairs)} pairs, {measure_distance():.3f} apart")
for _ in range(30):
    optimiser.zero_grad()
    for task in TASKS:
        model.set_adapter(task)  # the others are frozen until it is their turn
        hidden = model(input_ids=ids).last_hidden_state
        (heads[task](hidden) - labels[task]).square().mean().backward()
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimiser.step()
    held.after_step(optimiser)
print(f"after 30 updates under the constraint: {measure_distance():.3f} apart")
