"""Spans by the rule of conlleval, word by word as its program goes: the reference of tests."""

from collections.abc import Sequence


def begins(before: str, tag: str) -> bool:
    """Whether a span begins at `tag`: B, or I after O or after another type."""
    if tag == "O":
        return False
    return tag[0] == "B" or before == "O" or before[2:] != tag[2:]


def ends(before: str, tag: str) -> bool:
    """Whether the span of `before` ends where `tag` comes: a change of type, O or B."""
    if before == "O":
        return False
    return tag == "O" or tag[0] == "B" or before[2:] != tag[2:]


def count(truth: Sequence[str], predicted: Sequence[str]) -> tuple[int, int, int]:
    """Spans of the truth, spans predicted, and those in both, of one sentence, read from left to right."""
    true = found = right = 0
    both = False  # a span of one type began in both at the same word, and has not ended
    t, p = "O", "O"
    for a, b in zip([*truth, "O"], [*predicted, "O"], strict=True):
        t_ends, p_ends = ends(t, a), ends(p, b)
        if both:
            if t_ends and p_ends:
                right, both = right + 1, False
            elif t_ends != p_ends or t[2:] != p[2:]:
                both = False
        t_begins, p_begins = begins(t, a), begins(p, b)
        both = both or (t_begins and p_begins and a[2:] == b[2:])
        true, found = true + t_begins, found + p_begins
        t, p = a, b
    return true, found, right
