"""Networks that tag words: what a row holds besides a sentence changes nothing of it."""

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from suites._shared.tagging.networks import (
    MaxOverTime,
    NetworkName,
    SentenceLSTM,
    count_places,
    find_sentence_mates,
    make_tagger,
)

SIZES = (50, 9, 3)
NETWORKS = get_args(NetworkName)


def make(name: NetworkName, length: int, width: float = 1.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*make_tagger(name, SIZES, length, 5, width)).double().eval()


def draw(length: int, seed: int = 0) -> Tensor:
    """One sentence (3, L) as a network is given it."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(1, size, (length,), generator=generator) / size for size in SIZES]
    return torch.stack(rows).double()


def place(parts: list[Tensor], length: int) -> Tensor:
    """One row (1, 3, L) of sentences with a gap of two behind each."""
    row, at = torch.zeros(1, 3, length, dtype=torch.float64), 0
    for part in parts:
        row[0, :, at : at + part.shape[1]] = part
        at += part.shape[1] + 2
    return row


@pytest.mark.parametrize("name", NETWORKS)
def test_a_sentence_does_not_know_its_row(name: NetworkName) -> None:
    """Alone in a short row, alone in a long one, and beside other rows: the same features, and 0 behind the end."""
    sentence = draw(6)
    alone = make(name, 6)(place([sentence], 6))
    assert alone.abs().sum(dim=1).min() > 0
    network = make(name, 20)
    long = network(place([sentence], 20))
    assert torch.allclose(long[:, :, :6], alone, rtol=0, atol=1e-12)
    assert not long[:, :, 6:].any()
    others = torch.cat([place([draw(n, n)], 20) for n in (1, 20, 9)] + [place([sentence], 20)])
    assert torch.allclose(network(others)[3], long[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_sentences_of_one_row_do_not_see_each_other(name: NetworkName) -> None:
    first, other = draw(5, 1), draw(7, 2)
    network = make(name, 30)
    both = network(place([first, other], 30))
    assert torch.allclose(both[0, :, :5], network(place([first], 30))[0, :, :5], rtol=0, atol=1e-12)
    changed = network(place([draw(5, 9), other], 30))
    assert torch.allclose(both[0, :, 7:14], changed[0, :, 7:14], rtol=0, atol=1e-12)
    assert not torch.allclose(both[0, :, :5], changed[0, :, :5])
    assert torch.allclose(both[0, :, 7:14], network(place([other], 30))[0, :, :7], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_without_a_word_is_nothing(name: NetworkName) -> None:
    assert not make(name, 8)(torch.zeros(2, 3, 8).double()).any()


@pytest.mark.parametrize(("name", "sees"), [("window", False), ("convolution", True), ("lstm", True)])
def test_what_a_network_sees(name: NetworkName, sees: bool) -> None:
    """A word four places away is beyond a window of five, and within what networks of whole sentences see."""
    row, other = place([draw(9)], 9), place([draw(9)], 9)
    other[0, 0, 8] = 7 / SIZES[0] if row[0, 0, 8] != 7 / SIZES[0] else 8 / SIZES[0]
    network = make(name, 9)
    same = torch.equal(network(row)[0, :, 4], network(other)[0, :, 4])
    assert same is not sees


def test_maximum_over_time_against_a_loop() -> None:
    layer, x = MaxOverTime((4, 6), 3, reach=2).double(), torch.zeros(1, 4, 9).double()
    x[0, :, :5], x[0, :, 6:8] = torch.randn(4, 5).double(), torch.randn(4, 2).double()
    h = layer.convolution(x)[0]
    for i, words in ((0, range(5)), (4, range(5)), (6, range(6, 8))):
        each = [h[:, j] + layer.distances.weight[max(-2, min(2, j - i)) + 2] for j in words]
        expected = torch.stack(each).amax(dim=0).clamp(-1, 1)
        assert torch.allclose(layer(x)[0, :, i], expected)
    assert not layer(x)[0, :, [5, 8]].any()


def test_two_lstms_against_one_sentence_at_a_time() -> None:
    torch.manual_seed(0)
    layer, x = SentenceLSTM(4, 3).double(), torch.zeros(2, 4, 9).double()
    pieces = [(0, 0, 4), (0, 6, 3), (1, 1, 8)]
    for row, at, size in pieces:
        x[row, :, at : at + size] = torch.randn(4, size).double()
    found = layer(x)
    for row, at, size in pieces:
        expected = layer.lstm(x[row, :, at : at + size].T[None])[0][0].T
        assert torch.allclose(found[row, :, at : at + size], expected)


def test_places_are_counted_anew_in_every_sentence() -> None:
    words = torch.tensor([[True, True, False, False, True, True, True]])
    assert count_places(words)[words].tolist() == [0, 1, 0, 1, 2]


def test_mates() -> None:
    words = torch.tensor([[True, True, False, False, True]])
    mates = find_sentence_mates(words)[0]
    assert mates.int().tolist() == [[1, 1, 0, 0, 0]] * 2 + [[0] * 5] * 2 + [[0, 0, 0, 0, 1]]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("width", [0.1, 1.5])
def test_stages_of_any_width(name: NetworkName, width: float) -> None:
    x = place([draw(5)], 7).float()
    for stage in make_tagger(name, SIZES, 7, 3, width):
        x = stage(x)
        assert x.shape[1:] == stage.output_shape
