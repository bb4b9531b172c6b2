"""Corpora in columns, a word a line and an empty line behind every sentence: read and written.

A layout says what each column is. Those of the shared tasks have names; another one is a list of columns in the
description of a corpus.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.api import UsageError
from bench.errors import count_nouns, hint
from suites.corpus.schemes import READERS, WRITERS
from suites.corpus.sentences import Sentence, Spot, read_lines


@dataclass(frozen=True)
class ColumnLayout:
    """What the columns of a format are.

    columns: for each one `word`, `-` (not read), `NAME` for a tag of every word, or `NAME:SCHEME` for spans, with the
        schemes `bio`, `iob1` and `bracket`; the last one may be `srl*`: brackets, a column for each predicate of the
        sentence, in the order of their words.
    separator: None for spaces or tabs.
    behind: columns behind those of `srl*`, not read.
    comments: whether lines that begin with `#` are none of a sentence.
    numbered: whether the first column is the number of a word, as in CoNLL-U, where `1-2` and `1.1` are no words.
    filler: what is written into columns that are not read.
    """

    columns: tuple[str, ...]
    separator: str | None = None
    behind: int = 0
    comments: bool = False
    numbered: bool = False
    filler: str = "-"

    @property
    def spans(self) -> dict[str, str]:
        """Column of spans -> its scheme."""
        named = dict(column.split(":") for column in self.columns if ":" in column)
        return named | {"srl": "bracket"} if "srl*" in self.columns else named

    @property
    def tags(self) -> list[str]:
        """Names of what can be learnt."""
        return [column.split(":")[0].rstrip("*") for column in self.columns if column not in ("word", "-")]


LAYOUTS = {
    "conll2000": ColumnLayout(("word", "pos", "chunk:bio")),
    "conll2003": ColumnLayout(("word", "pos", "chunk:iob1", "ner:iob1")),
    # Names, parts of speech, chunks, clauses, the parse, the sense and the lemma of predicates, their arguments.
    "conll2005": ColumnLayout(("word", "ner:bracket", "pos", "chunk:bracket", "-", "-", "-", "-", "srl*")),
    # Document, part, number, word, part of speech, parse, lemma, frame, sense, speaker, names, arguments, references.
    "conll2012": ColumnLayout(
        ("-", "-", "-", "word", "pos", *["-"] * 5, "ner:bracket", "srl*"), behind=1, comments=True
    ),
    # Number, form, lemma, universal and own part of speech, features, head, relation, enhanced relations, notes.
    "conllu": ColumnLayout(
        ("-", "word", "-", "pos", "xpos", *["-"] * 5), separator="\t", comments=True, numbered=True, filler="_"
    ),
}


def make_layout(columns: Sequence[str]) -> ColumnLayout:
    """The layout of a list of columns. Raises UsageError for one that cannot be read."""
    names = [column.split(":")[0].rstrip("*") for column in columns if column not in ("-", "word")]
    for column in columns:
        name, colon, scheme = column.partition(":")
        if colon and scheme not in READERS:
            raise UsageError(
                f"`columns` should name schemes that are known. Found `{column}`; {hint(scheme, READERS)}."
            )
        if name != "-" and not name.rstrip("*").isidentifier():
            raise UsageError(f"`columns` should be names, as `pos` or `ner:bio`. Found `{column}`.")
    if list(columns).count("word") != 1 or len(set(names)) < len(names) or not names:
        raise UsageError(
            f"`columns` should have `word` once and a tag at least, each name once. Found {', '.join(columns)}."
        )
    if any(column.endswith("*") and (column != "srl*" or at < len(columns) - 1) for at, column in enumerate(columns)):
        raise UsageError(f"`columns` should have `srl*` as the last one, if at all. Found {', '.join(columns)}.")
    return ColumnLayout(tuple(columns))


def read_columns(file: Path, layout: ColumnLayout) -> Iterator[Sentence]:
    """The sentences of a file; with `srl*`, one for each predicate of a sentence, or one without where it has none.

    Raises UsageError, with file and line, for lines of another number of columns, and for tags of another scheme.
    """
    block: list[tuple[Spot, list[str]]] = []
    for number, line in enumerate([*read_lines(file), ""], 1):
        spot = Spot(file, number)
        if not line.strip():
            if block:
                yield from _read_sentence(block, layout)
            block = []
            continue
        cells = line.split(layout.separator)
        if (layout.comments and line.startswith("#")) or cells[0] == "-DOCSTART-":
            continue
        if layout.numbered and not cells[0].isdigit():
            # The numbers of words that are written as one, and of words that are not written.
            if not cells[0].replace("-", "").replace(".", "").isdigit():
                spot.refuse("begin with the number of a word", f"`{cells[0]}`")
            continue
        _check_width(spot, cells, block, layout)
        block.append((spot, cells))


def _check_width(spot: Spot, cells: list[str], block: list[tuple[Spot, list[str]]], layout: ColumnLayout) -> None:
    """Raise UsageError where a line has another number of columns than the layout, or than its sentence so far."""
    fixed = len(layout.columns) - ("srl*" in layout.columns)
    least = fixed + layout.behind
    if "srl*" not in layout.columns and len(cells) != fixed:
        spot.refuse(f"have {count_nouns(fixed, 'column')}", str(len(cells)), "an empty line ends a sentence")
    if len(cells) < least:
        spot.refuse(f"have at least {count_nouns(least, 'column')}", str(len(cells)))
    if block and len(cells) != len(block[0][1]):
        wanted = count_nouns(len(block[0][1]), "column")
        spot.refuse(f"have {wanted}, as the first line of its sentence", str(len(cells)))
    if any(not cell for cell in cells):
        spot.refuse("have something in every column", "an empty one")


def _read_sentence(block: list[tuple[Spot, list[str]]], layout: ColumnLayout) -> Iterator[Sentence]:
    """The sentences of one block of lines: one for each predicate."""
    spots, columns = [spot for spot, _ in block], list(zip(*(cells for _, cells in block), strict=True))
    words: tuple[str, ...] = ()
    tags: dict[str, tuple[str, ...]] = {}
    for column, cells in zip(layout.columns, columns, strict=False):
        name, _, scheme = column.partition(":")
        if name == "word":
            words = cells
        elif scheme:
            tags[name] = READERS[scheme](cells, spots)
        elif name not in ("-", "srl*"):
            tags[name] = cells
    if "srl*" not in layout.columns:
        yield Sentence(words, tags)
        return
    begin = len(layout.columns) - 1
    roles = [READERS["bracket"](cells, spots) for cells in columns[begin : len(columns) - layout.behind]]
    for role in roles:
        if role.count("B-V") != 1:
            spots[0].refuse("begin a sentence with one `(V*)` for each predicate", str(role.count("B-V")))
        yield Sentence(words, tags | {"srl": role}, role.index("B-V"))
    if not roles:
        yield Sentence(words, tags | {"srl": ("O",) * len(words)})


def write_columns(sentences: Sequence[Sentence], layout: ColumnLayout) -> str:
    """The text of sentences: what `read_columns` reads as these. Columns that are not read hold the filler.

    Sentences of the same words and tags that follow one another, each with a predicate, become one.
    """
    return "".join(_write_block(group, layout) for group in group_by_words(sentences))


def group_by_words(sentences: Sequence[Sentence]) -> Iterator[list[Sentence]]:
    """Sentences that differ in their predicates alone, in the order of their words."""
    group: list[Sentence] = []
    for sentence in sentences:
        if group and (sentence.words != group[0].words or sentence.predicate <= group[-1].predicate):
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group


def _write_block(group: list[Sentence], layout: ColumnLayout) -> str:
    """The lines of one sentence, and an empty one."""
    first, columns = group[0], []
    size = len(first.words)
    for at, column in enumerate(layout.columns):
        name, _, scheme = column.partition(":")
        if name == "word":
            columns.append(first.words)
        elif name == "srl*":
            columns += [WRITERS["bracket"](each.tags["srl"]) for each in group if each.predicate >= 0]
        elif name == "-":
            numbers = tuple(str(number) for number in range(1, size + 1))
            columns.append(numbers if layout.numbered and at == 0 else (layout.filler,) * size)
        else:
            columns.append(WRITERS[scheme](first.tags[name]) if scheme else first.tags[name])
    columns += [(layout.filler,) * size] * layout.behind
    join = layout.separator or " "
    return "".join(join.join(cells) + "\n" for cells in zip(*columns, strict=True)) + "\n"
