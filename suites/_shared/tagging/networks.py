"""Networks that tag words: a lookup table, a layer that sees a word's surroundings, and a layer on top of it.

Rows are (K, L): numbers of words, of endings, of first letters and where there is one of distances to a predicate, each
divided by how many there are of its kind, so that layers of methods that read rows as they are see numbers in [0, 1]. 0
is no word. Features (C, L) are exactly 0
there, in every stage, which is how later stages know, and all 0 nowhere else. Several sentences may stand in one row
with places without words between them: no stage lets one see another.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from bench.api import Stage, scale_channels

NetworkName = Literal["window", "convolution", "lstm", "transformer"]
CHANNELS = (32, 8, 4, 4)  # numbers that stand for a word, an ending, its letters, and its distance to the predicate
HIDDEN = 64  # channels of the layers above the table
HEADS = 4  # of attention


def find_words(x: Tensor) -> Tensor:
    """Where there is a word, bool (n, L): where features (n, C, L) are not all 0."""
    return (x != 0).any(dim=1)


def find_sentence_mates(words: Tensor) -> Tensor:
    """Which words stand in one sentence, bool (n, L, L), for words (n, L); sentences have a gap between them."""
    sentence = (~words).cumsum(dim=1)
    same = sentence[:, :, None] == sentence[:, None, :]
    return same & words[:, :, None] & words[:, None, :]


class Lookup(nn.Module):
    """A table for each kind of number, side by side: (n, K, L) to (n, C, L), 0 where there is no word.

    The first layer of Collobert and Weston, ICML 2008.

    sizes: how many numbers there are of each kind, with 0 for none; words first.
    channels: of each table.
    """

    def __init__(self, sizes: tuple[int, ...], channels: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes
        self.tables = nn.ModuleList(nn.Embedding(n, c, padding_idx=0) for n, c in zip(sizes, channels, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        numbers = [(x[:, i] * size).round().long() for i, size in enumerate(self.sizes)]
        found = torch.cat([table(number) for table, number in zip(self.tables, numbers, strict=True)], dim=2)
        # A factor besides: methods that make tables of other parameters leave the row of no word nowhere near 0.
        return (found * (numbers[0] > 0)[:, :, None]).transpose(1, 2)


def count_places(words: Tensor) -> Tensor:
    """The place of every word in its sentence, from 0, (n, L) for words (n, L)."""
    at = torch.arange(words.shape[1], device=words.device)
    first = words & ~pad(words, (1, 0))[:, :-1]
    return at - (at * first).cummax(dim=1).values


class EachWord(nn.Linear):
    """One linear map of the channels of every place, (n, C, L) to (n, D, L); a third of the time of a convolution."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(x.transpose(1, 2))
        return out.transpose(1, 2)


class Masked(nn.Module):
    """A layer of places, whose output is 0 where its input has no word."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out * find_words(x)[:, None]


class MaxOverTime(nn.Module):
    """z_i = hardtanh(max_j (conv(x)_j + p_(j - i))), over the words j of the sentence of word i.

    The network for whole sentences of Collobert and Weston, ICML 2008: a convolution over words and their
    distances to the word that is tagged, and a maximum over time. As its first layer is linear in the distances, that
    part of it is one table p of distances, and the convolution is computed once for all words of a row.

    channels: of the input, and of z.
    window: words that the convolution sees.
    reach: distances up to which p differs.
    """

    def __init__(self, channels: tuple[int, int], window: int, reach: int = 15) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(*channels, window, padding=window // 2)
        self.reach = reach
        self.distances = nn.Embedding(2 * reach + 1, channels[1])
        self.act = nn.Hardtanh()

    def forward(self, x: Tensor) -> Tensor:
        words, at = find_words(x), torch.arange(x.shape[2], device=x.device)
        p = self.distances((at[None] - at[:, None]).clamp(-self.reach, self.reach) + self.reach)  # (i, j, C)
        each = self.convolution(x)[:, :, None] + p.permute(2, 0, 1)  # (n, C, i, j)
        mates = find_sentence_mates(words)
        # Places without a word have no mate: any number will do, and it is made 0 below.
        z: Tensor = each.masked_fill(~mates[:, None], -math.inf).amax(dim=3).masked_fill(~words[:, None], 0)
        out: Tensor = self.act(z) * words[:, None]
        return out


class SentenceLSTM(nn.Module):
    """Two LSTMs over the words of each sentence, one from either end: (n, C, L) to (n, 2 H, L)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, hidden, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        words, rows = find_words(x), x.transpose(1, 2)
        out = rows.new_zeros(*rows.shape[:2], 2 * self.lstm.hidden_size)
        if not bool(words.any()):
            return out.transpose(1, 2)
        first = words & ~pad(words, (1, 0))[:, :-1]
        sentence = first.flatten().cumsum(0)[words.flatten()] - 1  # of every word, counted over all rows
        sizes = torch.bincount(sentence)
        place = torch.arange(len(sentence), device=x.device) - (sizes.cumsum(0) - sizes)[sentence]
        each = rows.new_zeros(len(sizes), int(sizes.max()), rows.shape[2])
        each = each.index_put((sentence, place), rows[words])
        packed: PackedSequence = pack_padded_sequence(each, sizes.cpu(), batch_first=True, enforce_sorted=False)
        found, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return out.index_put((words,), found[sentence, place].to(out)).transpose(1, 2)


class SentenceAttention(nn.Module):
    """A block of a transformer whose words see those of their sentence: x + attention, then x + perceptron.

    Vaswani et al., NeurIPS 2017, with the norms before the layers. The place of a word in its sentence is added as
    waves of lengths from 6 to 60 words.

    channels: a multiple of HEADS.
    first: whether places are added.
    """

    def __init__(self, channels: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.norm, self.norm_after = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.project, self.join = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.perceptron = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        words, rows = find_words(x), x.transpose(1, 2)
        if self.first:
            rows = rows + make_waves(rows.shape[1], rows.shape[2]).to(rows)[count_places(words)]
        # A place without a word sees itself: a softmax over nothing would be NaN.
        mates = find_sentence_mates(words) | torch.eye(rows.shape[1], dtype=torch.bool, device=x.device)
        parts = self.project(self.norm(rows)).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=mates[:, None])
        rows = rows + self.join(seen.transpose(1, 2).flatten(2))
        rows = rows + self.perceptron(self.norm_after(rows))
        out: Tensor = rows * words[:, :, None]
        return out.transpose(1, 2)


def make_waves(places: int, channels: int) -> Tensor:
    """Sines and cosines of the place, (places, channels), of wave lengths from 6 to 60 places."""
    waves = 2 * math.pi / (6 * 10 ** torch.linspace(0, 1, (channels + 1) // 2))
    angle = torch.arange(places)[:, None] * waves
    return torch.cat([angle.sin(), angle.cos()], dim=1)[:, :channels]


def make_tagger(name: NetworkName, sizes: tuple[int, ...], length: int, window: int, width: float) -> nn.ModuleList:
    """Three stages: the table, the layer that sees surroundings, and one more; features (C, L) each.

    sizes: how many numbers there are of each kind, with 0 for none: of words, endings, letters, distances.
    length: L, places of a row.
    window: words that a convolution sees.
    width: multiplies the channels.
    """
    channels = tuple(scale_channels(each, width) for each in CHANNELS[: len(sizes)])
    seen, hidden = sum(channels), scale_channels(HIDDEN, width)
    stages: list[tuple[nn.Module, int]] = [(Lookup(sizes, channels), seen)]
    match name:
        case "window":
            layer = Masked(nn.Conv1d(seen, hidden, window, padding=window // 2), nn.Hardtanh())
            stages += [(layer, hidden), (_make_top(hidden, hidden), hidden)]
        case "convolution":
            stages += [(MaxOverTime((seen, hidden), window), hidden), (_make_top(hidden, hidden), hidden)]
        case "lstm":
            half = (hidden + 1) // 2
            stages += [(SentenceLSTM(seen, half), 2 * half), (_make_top(2 * half, hidden), hidden)]
        case "transformer":
            hidden = HEADS * max(1, round(hidden / HEADS))
            first = nn.Sequential(Masked(EachWord(seen, hidden)), SentenceAttention(hidden, first=True))
            stages += [(first, hidden), (SentenceAttention(hidden, first=False), hidden)]
    return nn.ModuleList(Stage(module, output_shape=(size, length)) for module, size in stages)


def _make_top(channels: int, hidden: int) -> nn.Module:
    """A layer of every word by itself, on top of what sees its surroundings."""
    return Masked(EachWord(channels, hidden), nn.Hardtanh())
