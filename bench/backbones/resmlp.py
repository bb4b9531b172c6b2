"""A residual multi-layer perceptron for tables, with an embedding for each column of categories."""

from typing import Annotated

import torch
from torch import Tensor, nn

from bench.api import Backbone, Ge, InputForm, Interval, Stage, UsageError, register, scale_channels


class Embedded(nn.Module):
    """Rows (n, d) with codes of categories in their last columns -> (n, numbers + sum of embedding lengths).

    numbers: how many columns are left as they are.
    cards: categories of each other column. A code outside [0, card) becomes the zero vector: a category that
        was not there when the table was made is not taken for another one.
    """

    def __init__(self, numbers: int, cards: tuple[int, ...]) -> None:
        super().__init__()
        self.numbers, self.cards = numbers, cards
        lengths = [embedding_length(card) for card in cards]
        self.outputs = numbers + sum(lengths)
        # One row more in each, of zeros and never trained, for codes that are outside.
        self.tables = nn.ModuleList(
            nn.Embedding(card + 1, length, padding_idx=card) for card, length in zip(cards, lengths, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[:, : self.numbers]]
        for column, (table, outside) in enumerate(zip(self.tables, self.cards, strict=True), self.numbers):
            codes = x[:, column].round()
            codes = torch.where((codes >= 0) & (codes < outside), codes, outside).long()  # a NaN is outside, too
            parts.append(table(codes))
        return torch.cat(parts, dim=1)


class ResidualBlock(nn.Module):
    """x + dropout(B relu(A norm(x))), A from `size` to twice as many units and B back."""

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.LayerNorm(size), nn.Linear(size, 2 * size), nn.ReLU(), nn.Linear(2 * size, size), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        informed: Tensor = x + self.branch(x)
        return informed


def embedding_length(card: int) -> int:
    """min(50, 1 + card / 2), rounded down: the usual rule for the length of a category's vector."""
    return min(50, 1 + card // 2)


@register(
    "resmlp", paper="Gorishniy, Rubachev, Khrulkov, Babenko, Revisiting Deep Learning Models for Tabular Data, 2021"
)
class ResidualPerceptron(Backbone):
    """A residual multi-layer perceptron; each column of categories has an embedding of its own.

    The first stage embeds and maps linearly to `size` units, each other one is x + dropout(B relu(A norm(x))), and
    the last ends in norm - relu. As the ResNet of the paper, section 3.2, with LayerNorm in place of BatchNorm,
    whose statistics would depend on who shares.
    size: units between the blocks.
    blocks: residual blocks, one a stage.
    dropout: share of a block's answer that is left out in training.
    """

    def __init__(
        self,
        *,
        size: Annotated[int, Ge(1)] = 64,
        blocks: Annotated[int, Ge(1)] = 2,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
    ) -> None:
        self.size, self.blocks, self.dropout = size, blocks, dropout

    def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
        """Embeddings with a linear layer, then a stage per block. Raises UsageError for rows that are no vectors."""
        if len(inputs.shape) != 1:
            raise UsageError(
                f"`resmlp` should be given rows of numbers (d,). Found rows of the shape {inputs.shape}; take `mlp`, "
                "or a network for images."
            )
        size = scale_channels(self.size, width)
        embedded = Embedded(inputs.shape[0] - len(inputs.cards), inputs.cards)
        stages = [Stage(embedded, nn.Linear(embedded.outputs, size), output_shape=(size,))]
        for number in range(self.blocks):
            end = [nn.LayerNorm(size), nn.ReLU()] if number == self.blocks - 1 else []
            stages.append(Stage(ResidualBlock(size, self.dropout), *end, output_shape=(size,)))
        return nn.ModuleList(stages)
