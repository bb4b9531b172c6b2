"""An encoder of Hugging Face's transformers with two heads: what a sentence is about, and how often a word is in it.

Needs transformers: pip install 'mtlbench[transformers]'. Run it: python examples/transformer_two_heads.py
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from transformers import BertConfig, BertModel

import mtlbench as mb

WORDS, WORD = 40, 7  # in the vocabulary; the one that is counted
torch.manual_seed(0)
draw = torch.Generator().manual_seed(0)


def draw_batch(rows: int = 32, length: int = 12) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What a tokenizer would give, and the targets: 'sentences' of random words, padded to one length."""
    ids = torch.randint(4, WORDS, (rows, length), generator=draw)
    ids[torch.rand(rows, length, generator=draw) < 0.2] = WORD
    ids[:, 0] = 1  # the token that begins a sentence
    lengths = torch.randint(length // 2, length + 1, (rows, 1), generator=draw)
    mask = (torch.arange(length) < lengths).long()
    counts = ((ids == WORD) * mask).sum(dim=1, keepdim=True).float()
    return {"input_ids": ids * mask, "attention_mask": mask}, {"often": (counts[:, 0] > 2).long(), "count": counts}


class First(nn.Module):
    """A head on the first token, (n, length, channels) -> (n, outputs)."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, outputs)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.linear(hidden[:, 0])


class Sum(First):
    """A head on the sum over the words that are there: it reads the mask of the batch."""

    def forward(self, hidden: Tensor) -> Tensor:
        mask = mb.read_named_inputs()["attention_mask"].unsqueeze(-1)
        return (self.linear(hidden) * mask).sum(dim=1)


# A small encoder with fresh weights. `AutoModel.from_pretrained("bert-base-uncased")` is cut in the same way.
config = BertConfig(vocab_size=WORDS, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64)
stages = mb.cut_encoder(BertModel(config), stages=3)  # embedding and first block, second block, third block
heads = {"often": First(32, 2), "count": Sum(32, 1)}

example, _ = draw_batch()
net = mb.share(stages, heads, method="cross_stitch@uncertainty", example=example)
net.train()  # models that were loaded come in evaluation
optimiser = torch.optim.AdamW(net.parameter_groups(lr=3e-3))
loss = {"often": cross_entropy, "count": mse_loss}
for _ in range(60):
    inputs, y = draw_batch()
    net.step({task: loss[task](prediction, y[task]) for task, prediction in net(inputs).items()}, optimiser)

net.eval()
inputs, y = draw_batch(500)
with torch.no_grad():
    predictions = net(inputs)
    # Tasks with sentences of their own, of any length, each with its own mask:
    apart = net({"often": draw_batch(5, length=9)[0], "count": draw_batch(3, length=20)[0]})
print(f"often: {(predictions['often'].argmax(dim=1) == y['often']).float().mean():.2f} right")
print(f"count: {(predictions['count'] - y['count']).abs().mean():.2f} off, of {y['count'].mean():.2f} on average")
print({task: tuple(prediction.shape) for task, prediction in apart.items()})
