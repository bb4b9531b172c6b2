"""Tags as numbers, and spans of tags: O is 0, and type k (from 0) begins with 2 k + 1 and goes on with 2 k + 2."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Span = tuple[int, int, int]  # first place, last place, and the number of the type


@dataclass(frozen=True)
class TagSet:
    """What a task tags words with.

    labels: of single words, as parts of speech, or the types of spans.
    spans: whether they are types of spans, so that tags are O, B-type and I-type.
    unscored: types that are learnt and left out of the score, as the predicate itself among its arguments.
    """

    labels: tuple[str, ...]
    spans: bool = False
    unscored: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """Every tag, in the order of its number."""
        if not self.spans:
            return self.labels
        return ("O", *(f"{mark}-{label}" for label in self.labels for mark in "BI"))

    def encode(self, tags: Sequence[str]) -> np.ndarray:
        """The numbers (n,) of tags. Raises KeyError for one that is none of the set."""
        number = {tag: at for at, tag in enumerate(self.tags)}
        return np.array([number[tag] for tag in tags], dtype=np.int64)


def mark_spans(tags: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where spans begin and which types they have, by the rule of conlleval, for rows of numbers of tags.

    A span begins at B, and at an I that follows no word of its type: an I after O, or after another type, is read as a
    B. It ends before the next beginning, before O, and at the end of a row.

    tags: (n, L) whole numbers; below 0 is outside of all spans, as O is.

    Returns (n, L) each: bool, whether a span begins at the place; the number of the last place of the span that the
    place lies in; and the type there, -1 outside.
    """
    kind = np.where(tags > 0, (tags - 1) // 2, -1)
    inside, first = kind >= 0, np.zeros(tags.shape, dtype=bool)
    before = np.pad(kind, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    np.logical_and(inside, (tags % 2 == 1) | (kind != before), out=first)
    after = np.pad(first | ~inside, ((0, 0), (0, 1)), constant_values=True)[:, 1:]
    # The next place where something ends, seen from behind.
    places = np.where(after, np.arange(tags.shape[1]), tags.shape[1])
    last = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]
    return first, last, kind


def count_spans(truth: np.ndarray, predicted: np.ndarray, types: int) -> np.ndarray:
    """(3, K): spans of each type in the truth, in the prediction, and in both with the same words and type.

    truth, predicted: (n, L) numbers of tags; places below 0 in the truth have no word, and none is predicted there.
    """
    predicted = np.where(truth < 0, -1, predicted)
    (a, a_last, a_kind), (b, b_last, b_kind) = mark_spans(truth), mark_spans(predicted)
    both = a & b & (a_last == b_last) & (a_kind == b_kind)
    kinds = (a_kind[a], b_kind[b], a_kind[both])
    return np.stack([np.bincount(kind, minlength=types) for kind in kinds])


def list_spans(tags: np.ndarray) -> list[Span]:
    """The spans of one sentence, tags (L,), in order."""
    first, last, kind = (row[0] for row in mark_spans(tags[None]))
    return [(int(at), int(last[at]), int(kind[at])) for at in np.nonzero(first)[0]]
