"""What a user writes about a corpus, `corpus.toml`, and what is kept of it once it was read."""

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.api import DataMissing, UsageError
from bench.errors import count_nouns, hint, make_printable
from suites.corpus.brown import read_brown
from suites.corpus.columns import LAYOUTS, ColumnLayout, make_layout, read_columns
from suites.corpus.sentences import Sentence

DESCRIPTION = "corpus.toml"
BROWN = "brown"
FORMATS = (*LAYOUTS, BROWN)
CorpusName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
CORPUS_SPLITS = ("train", "val", "test")


class CorpusPart(BaseModel):
    """One corpus, or one domain of one; a table `[[corpus]]`, or the whole description.

    name: of the corpus, in the names of its tasks; not needed where there is one.
    format: how its files are written, one of FORMATS; left out where `columns` says it.
    columns: of a format of one's own (`suites.corpus.columns.ColumnLayout`).
    scheme: of the spans that a format has as IOB1, where the files have them as BIO, or the other way round.
    tasks: columns to learn.
    train, val, test: files of each part, by name or pattern, beside the description.
    files: instead, files that are divided: in their order, the first share of the sentences trains, the next validates,
        the last tests.
    shares: of these three.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: CorpusName | None = None
    format: str | None = None
    columns: tuple[str, ...] = ()
    scheme: Literal["bio", "iob1"] | None = None
    tasks: tuple[str, ...] = Field(min_length=1)
    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)

    @property
    def layout(self) -> ColumnLayout:
        """What its columns are; that of Brown has parts of speech. Raises UsageError for a format that is not known."""
        if self.columns:
            return make_layout(self.columns)
        if self.format == BROWN:
            return ColumnLayout(("word", "pos"))
        if self.format not in LAYOUTS:
            found = "none" if self.format is None else f"`{make_printable(self.format)}`"
            raise UsageError(f"`format` should be known, or `columns` be given. Found {found}; {hint('', FORMATS)}.")
        layout = LAYOUTS[self.format]
        if self.scheme is None:
            return layout
        changed = [
            f"{name.split(':')[0]}:{self.scheme}" if name.endswith((":bio", ":iob1")) else name
            for name in layout.columns
        ]
        return replace(layout, columns=tuple(changed))

    def read(self, folder: Path) -> dict[str, list[Sentence]]:
        """The sentences of `train`, `val` and `test`. Raises UsageError for what is wrong with a file, or missing."""
        given = {part: getattr(self, part) for part in CORPUS_SPLITS}
        if bool(self.files) == any(given.values()) or (not self.files and not all(given.values())):
            raise UsageError(
                "A corpus should have `train`, `val` and `test`, or `files` that are divided, and not both."
            )
        if not self.files:
            parts = {part: list(self._read_files(folder, patterns)) for part, patterns in given.items()}
        else:
            if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-6:
                raise UsageError(f"`shares` should be three numbers above 0 that sum to 1. Found {list(self.shares)}.")
            every = list(self._read_files(folder, self.files))
            a = round(self.shares[0] * len(every))
            b = a + round(self.shares[1] * len(every))
            parts = {"train": every[:a], "val": every[a:b], "test": every[b:]}
        for part, sentences in parts.items():
            if not sentences:
                raise UsageError(
                    f"Every part of a corpus should have a sentence. Found none in `{part}`"
                    f"{f' of `{self.name}`' if self.name else ''}."
                )
        return parts

    def _read_files(self, folder: Path, patterns: tuple[str, ...]) -> Iterator[Sentence]:
        """The sentences of the files that fit, in the order of patterns and names."""
        for pattern in patterns:
            found = sorted(path for path in folder.glob(pattern) if path.is_file())
            if not found:
                raise UsageError(f"`{make_printable(pattern)}` should name a file in `{folder}`. Found none.")
            for file in found:
                yield from read_brown(file) if self.format == BROWN else read_columns(file, self.layout)


def read_corpus_description(source: Path) -> tuple[Path, list[CorpusPart]]:
    """The folder of a description and its corpora. Raises UsageError for one that cannot be read.

    source: the file, or the folder that holds it as DESCRIPTION.
    """
    file = source / DESCRIPTION if source.is_dir() else source
    if not file.is_file():
        raise UsageError(f"`--source` should be a description, or a folder with a `{DESCRIPTION}`. Found none there.")
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
        shared = {key: value for key, value in said.items() if key != "corpus"}
        entries: list[dict[str, Any]] = said.get("corpus", [{}])
        parts = [CorpusPart.model_validate(shared | entry) for entry in entries]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"`{file.name}` should be TOML in UTF-8. Found: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "corpus"
        known = hint(where, CorpusPart.model_fields) if first["type"] == "extra_forbidden" else first["msg"]
        raise UsageError(f"`{where}` of `{file.name}` should be as the card of `corpus` says; {known}.") from error
    except (TypeError, AttributeError) as error:
        raise UsageError(f"`corpus` of `{file.name}` should be tables, written as `[[corpus]]`.") from error
    _check_parts(parts, file)
    return file.parent, parts


def _check_parts(parts: list[CorpusPart], file: Path) -> None:
    """Raise UsageError where corpora have no names of their own, or learn what their files do not have."""
    names = [part.name for part in parts]
    if len(parts) > 1 and (None in names or len(set(names)) < len(names)):
        raise UsageError(
            f"Each of the {count_nouns(len(parts), 'corpus', 'corpora')} of `{file.name}` should have a `name`."
        )
    for part in parts:
        for task in part.tasks:
            if task not in part.layout.tags:
                raise UsageError(
                    f"`tasks` should be columns of the corpus. Found `{task}`; {hint(task, part.layout.tags)}."
                )


class PreparedTask(BaseModel):
    """A task of a prepared corpus.

    name: of the task.
    group: number of the rows that it reads; tasks of one corpus read the same, but for roles.
    labels: its tags, or the types of its spans.
    spans: whether it has spans.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    group: int
    labels: tuple[str, ...]
    spans: bool


class PreparedCorpus(BaseModel):
    """What `corpus.json` holds of a corpus that was read.

    form: of this schema.
    tasks: in their order.
    sizes: how many words, endings, letters and distances there are, with 0 for none.
    length: places of a row.
    rows: places between two sentences -> split -> rows over all groups.
    groups: of rows.
    sha256: of the arrays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal[1] = 1
    tasks: tuple[PreparedTask, ...] = Field(min_length=1)
    sizes: tuple[int, ...]
    length: int
    rows: dict[int, dict[str, int]]
    groups: int
    sha256: str

    @classmethod
    def read(cls, file: Path) -> "PreparedCorpus":
        """What a file holds. Raises DataMissing where it is none."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except (OSError, ValidationError) as error:
            raise DataMissing(
                f"`{file}` should be what `mtlbench data prepare` wrote; prepare the corpus again."
            ) from error
