"""Ways to write spans, and their translations: IOB1, BIO and brackets. BIO (IOB2) is what everything else reads.

| scheme | a span of X over three words | a second one right behind it |
| :-- | :-- | :-- |
| BIO | B-X I-X I-X | B-X |
| IOB1 | I-X I-X I-X | B-X |
| brackets | (X* * *) | (X*) |
"""

from collections.abc import Callable, Sequence

from suites.corpus.sentences import Spot


def _split(tag: str, spot: Spot) -> tuple[str, str]:
    """(mark, type) of a tag of BIO or IOB1; ("O", "") outside. Raises UsageError for a tag of another scheme."""
    if tag == "O":
        return "O", ""
    mark, dash, kind = tag.partition("-")
    if mark not in ("B", "I") or not dash or not kind:
        spot.refuse("hold tags as `B-X`, `I-X` or `O`", f"`{tag}`", "other schemes, as BIOES, are not read")
    return mark, kind


def check_bio(tags: Sequence[str], spots: Sequence[Spot]) -> tuple[str, ...]:
    """`tags` as they are. Raises UsageError where an I follows no word of its type, which BIO does not have."""
    before = ""
    for tag, spot in zip(tags, spots, strict=True):
        mark, kind = _split(tag, spot)
        if mark == "I" and kind != before:
            spot.refuse(
                f"begin a span with `B-{kind}` (BIO)",
                f"`{tag}` behind {f'a word of `{before}`' if before else 'a word outside of spans'}",
                'where spans begin with I, write scheme = "iob1"',
            )
        before = kind
    return tuple(tags)


def read_iob1(tags: Sequence[str], spots: Sequence[Spot]) -> tuple[str, ...]:
    """IOB1 as BIO. Raises UsageError for a B that follows no word of its type, which IOB1 does not have."""
    before, found = "", []
    for tag, spot in zip(tags, spots, strict=True):
        mark, kind = _split(tag, spot)
        if mark == "B" and kind != before:
            spot.refuse(
                f"begin a span with `I-{kind}` (IOB1), where none of its type ends before it",
                f"`{tag}`",
                'where every span begins with B, write scheme = "bio"',
            )
        begins = mark != "O" and (mark == "B" or kind != before)
        found.append("O" if mark == "O" else f"{'B' if begins else 'I'}-{kind}")
        before = kind
    return tuple(found)


def write_iob1(tags: Sequence[str]) -> tuple[str, ...]:
    """BIO as IOB1: a span begins with B only where one of its type ends right before it."""
    before, found = "", []
    for tag in tags:
        kind = tag[2:]
        found.append(tag if tag == "O" or (tag[0] == "B" and kind == before) else f"I-{kind}")
        before = kind
    return tuple(found)


def read_brackets(cells: Sequence[str], spots: Sequence[Spot]) -> tuple[str, ...]:
    """Brackets as BIO: `(X*` begins, `*` goes on, `*)` ends, `(X*)` is a span of one word.

    Raises UsageError for cells of another form, a span inside another, and brackets without their partner.
    """
    inside, opened, found = "", spots[0] if spots else None, []
    for cell, spot in zip(cells, spots, strict=True):
        head, star, tail = cell.partition("*")
        # `)` alone, and a type repeated at the end, as in `*A0)`, are of other tasks.
        if not star or tail not in ("", ")") or (head and (head[0] != "(" or not head[1:] or ")" in head)):
            spot.refuse("hold brackets as `(X*`, `*`, `*)` or `(X*)`", f"`{cell}`")
        if "(" in head[1:] or (head and inside):
            spot.refuse("begin no span inside of another", f"`{cell}`" + (f" inside of `{inside}`" if inside else ""))
        if head:
            inside, opened = head[1:], spot
        found.append((("B-" if head else "I-") + inside) if inside else "O")
        if tail:
            if not inside:
                spot.refuse("end a span that was begun", f"`{cell}`")
            inside = ""
    if inside and opened:
        opened.refuse(f"have an end of the span `{inside}` in its sentence", "none")
    return tuple(found)


def write_brackets(tags: Sequence[str]) -> tuple[str, ...]:
    """BIO as brackets."""
    after = [*tags[1:], "O"]
    return tuple(
        ("(" + tag[2:] if tag[0] == "B" else "") + "*" + (")" if tag != "O" and next_tag[0] != "I" else "")
        for tag, next_tag in zip(tags, after, strict=True)
    )


Tags = Sequence[str]
READERS: dict[str, Callable[[Tags, Sequence[Spot]], tuple[str, ...]]] = {
    "bio": check_bio,
    "iob1": read_iob1,
    "bracket": read_brackets,
}
WRITERS: dict[str, Callable[[Tags], tuple[str, ...]]] = {"bio": tuple, "iob1": write_iob1, "bracket": write_brackets}
