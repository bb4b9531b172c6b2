"""Partners and places of the published variants."""

from collections import Counter

import numpy as np
import pytest

from suites._shared.overlay import checksum_arrays
from suites.multimnist.variants import VARIANTS

# SHA-256 of the pair lists. Those that look at no label need no data; all are frozen: a stored run names them.
PAIRS = {
    "sener": {
        "train": "8f90cd814f9264109aa8a82bece9a05a56a93de447cfef4057297a4730f586de",
        "val": "d486e7fc820f71a9b787ac1ca62bcadd4e7921a86ea454122e32456e000944ee",
        "test": "d196cb0ab5cb8b3018eea161ad390df9282ce833d04dfb61b856d3ae35c77889",
    },
    "continuous": {
        "train": "ca3cbfe20885eedd0ec8becf04feb703c92dc2ccf5fd92814fbf1861e33b6c13",
        "val": "65f45f1bdaa47e58937568ff06d1d8470964edc883156762c41f287476ca5fc7",
        "test": "a95299451aec2babe5dd23eece2419f670f1a7439e82771b3858d07310c218fa",
    },
    "sener_legacy": {
        "train": "70e82237152902b76943b115156efc9bf68fdbf792606c5cae55fe3928c03e7d",
        "test": "d196cb0ab5cb8b3018eea161ad390df9282ce833d04dfb61b856d3ae35c77889",
    },
}

LABELS = np.random.default_rng(1).integers(0, 10, 20_000)


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_partner_rules(variant: str) -> None:
    left, right = VARIANTS[variant].pair(LABELS, LABELS, "train")[:, :2].T
    same_class = float((LABELS[left] == LABELS[right]).mean())
    counts = Counter(right.tolist())
    if variant == "pareto":
        assert same_class == 0.0
    else:
        assert same_class == pytest.approx(0.1, abs=0.01)
    if variant == "continuous":
        assert sorted(right.tolist()) == list(range(20_000))
    else:  # uniform draws leave a share 1/e of the digits out
        assert 1 - len(counts) / 20_000 == pytest.approx(np.exp(-1), abs=0.02)


def test_placement_rules() -> None:
    corners = {name: VARIANTS[name].pair(LABELS, LABELS, "train")[:, 2:].tolist() for name in VARIANTS}
    assert set(map(tuple, corners["sener"])) == set(map(tuple, corners["sener_legacy"])) == {(0, 0, 6, 6)}
    pareto = Counter(map(tuple, corners["pareto"]))
    five = range(5)
    assert set(pareto) == {(a, b, 8 - c, 8 - d) for a in five for b in five for c in five for d in five}  # in 36x36
    continuous = Counter(map(tuple, corners["continuous"]))
    cells = {(s, s, 4 + r, 4 + r) for s in five for r in five} - {(4, 4, 4, 4)}  # (4, 0) would cover a digit
    assert set(continuous) == cells
    assert max(abs(count - 20_000 / 24) for count in continuous.values()) < 150  # five deviations


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_pairs_are_drawn_from_published_seeds(variant: str) -> None:
    first = VARIANTS[variant].pair(LABELS, LABELS, "train")
    np.random.seed(0)
    assert np.array_equal(first, VARIANTS[variant].pair(LABELS, LABELS, "train"))
    others = [VARIANTS[variant].pair(LABELS, LABELS, split) for split in ("val", "test")]
    assert all(not np.array_equal(first[:, 1], other[:, 1]) for other in others)


@pytest.mark.parametrize("variant", list(PAIRS))
def test_pair_lists_are_frozen(variant: str) -> None:
    labels = {split: np.zeros(rows, dtype=np.int64) for split, rows in VARIANTS[variant].rows.items()}
    found = {split: checksum_arrays(VARIANTS[variant].pair(zeros, zeros, split)) for split, zeros in labels.items()}
    assert found == PAIRS[variant]
