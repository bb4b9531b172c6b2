"""A board: the frozen list of methods and seeds that a table shows.

Committed boards are the TOML files of `leaderboard/tables`; a board of everything stored of a suite is made on demand.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.errors import UsageError, hint
from bench.records import ResultRecord, explain_invalid, parse_seeds
from bench.records.values import FEWEST_VALUES, SettingGrid
from leaderboard.boards.twins import find_muted

# A range in a text of seeds is expanded to a list, so that the reader bounds its length.
MANY_SEEDS = 10_000  # seeds in one range
TABLES = Path(__file__).parents[1] / "tables"
Track = Literal["default", "tuned"]  # the options and settings a method comes with, or those a search found


class CurveBudget(BaseModel):
    """The curve that every row of a board has of its own: one budget of values and seeds for all methods.

    over: a setting and its values, as `mtlbench curve --over` takes them: `lr=0.0005..0.02:6`.
    seeds: on which validation chooses a value for each method, as in `1000-1002`; none of them are the board's.
    finalists: how many of a method's best values are run again on `finalist_seeds`; over all of these seeds the best of
        them is chosen. On few seeds, the best of many values is often one that was lucky.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    over: str
    seeds: str = "1000-1002"
    finalists: int = Field(default=0, ge=0)
    finalist_seeds: str = ""

    @field_validator("over")
    @classmethod
    def _check_over(cls, text: str) -> str:
        """A curve has three values or more, or one of two would always lie at an edge."""
        if len(SettingGrid.parse(text).values) < FEWEST_VALUES:
            raise ValueError(f"`over` should have {FEWEST_VALUES} values or more. Found `{text}`.")
        return text

    @field_validator("seeds", "finalist_seeds")
    @classmethod
    def _check_seeds(cls, text: str) -> str:
        """As those of a board."""
        if text:
            parse_seeds(text)
        return text

    @model_validator(mode="after")
    def _check_finalists(self) -> "CurveBudget":
        """Values that are run again need seeds of their own, and seeds values."""
        if bool(self.finalists) != bool(self.finalist_seeds):
            raise ValueError("`finalists` and `finalist_seeds` should stand together. Found one of them.")
        if both := sorted({*self.seed_list} & {*self.finalist_seed_list}):
            raise ValueError(f"`finalist_seeds` should have none of `seeds`. Found {both[0]} in both.")
        return self

    @property
    def grid(self) -> SettingGrid:
        """The setting and its values, ascending."""
        return SettingGrid.parse(self.over)

    @property
    def seed_list(self) -> list[int]:
        """The seeds, ascending."""
        return parse_seeds(self.seeds)

    @property
    def finalist_seed_list(self) -> list[int]:
        """The further seeds of the best values, ascending; empty where none is run again."""
        return parse_seeds(self.finalist_seeds) if self.finalist_seeds else []


class Board(BaseModel):
    """What a table shows, before there is any result.

    Attributes:
        name: the file's name without its ending.
        title, note: the heading of the table, and a sentence below it.
        version: counts the revisions of the board.
        suite: its short or canonical name.
        methods: short canonical texts, as in `ResultRecord.method`.
        seeds: such as `0-4` or `0-4,7`.
        reference: the method that changes are measured against.
        trials: how many trials of a search the tuned track asks of every method.
        controls: names in `leaderboard.boards.controls`; their rows come below the methods and are never ranked.
        series: suites that differ in the number of training rows only; the reference's errors there give the worth of a
            method in data.
        curve: with it, each row is its method at the value of a setting that its own curve chose on validation.
        protocol: the version of the suite's protocol that its runs are under; None for the current one.
        labels: method -> its name for people.
        column: its name where the parts of a table stand side by side; without it, the options in which suites differ.
        also: further parts of a table over several suites; in the file each says only what differs from the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    version: int = Field(ge=1)
    suite: str
    methods: list[str]
    seeds: str
    reference: str = "single_task"
    trials: int = Field(default=16, ge=1)
    controls: list[str] = []
    series: list[str] = []
    labels: dict[str, str] = {}
    curve: CurveBudget | None = None
    protocol: int | None = Field(default=None, ge=1)
    note: str = ""
    column: str = ""
    also: list["Board"] = []

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, text: str) -> str:
        """Refuse seeds that cannot be read. The ValueError becomes a sentence about the file."""
        parse_seeds(text)
        return text

    @field_validator("methods")
    @classmethod
    def _check_methods(cls, methods: list[str]) -> list[str]:
        """Refuse a method that is listed twice: rows are looked up by method."""
        for method in methods:
            if methods.count(method) > 1:
                raise ValueError(f"`methods` should list each method once. Found `{method}` twice.")
        return methods

    @model_validator(mode="after")
    def _check_curve(self) -> "Board":
        """Seeds that chose a value do not judge it; no row beside others at their best is at the protocol's value."""
        if self.curve is None:
            return self
        if both := sorted({*self.seed_list} & {*self.curve.seed_list, *self.curve.finalist_seed_list}):
            raise ValueError(f"`curve.seeds` should have none of the board's `seeds`. Found {both[0]} in both.")
        if self.controls or self.series:
            raise ValueError(
                "`curve` should stand without `controls` and `series`, whose runs are at the protocol's own value."
            )
        return self

    @property
    def parts(self) -> list["Board"]:
        """This board and the further parts of its table, in order."""
        return [self, *self.also]

    @property
    def seed_list(self) -> list[int]:
        """The seeds as numbers, ascending."""
        return parse_seeds(self.seeds)

    def covers(self, record: ResultRecord) -> bool:
        """Whether a run is of the board's suite, and under its version of the protocol where it names one."""
        return self.suite in (record.suite, record.spec.suite) and self.protocol in (None, record.spec.protocol.version)

    def keep_covered(self, records: Iterable[ResultRecord]) -> list[ResultRecord]:
        """The records that the board covers: `covers` of each, for whole stores."""
        suite, protocol = self.suite, self.protocol
        of_suite = [record for record in records if suite == record.suite or suite == record.spec.suite]
        return [r for r in of_suite if protocol in (None, r.spec.protocol.version)]

    def is_of_curve(self, record: ResultRecord) -> bool:
        """Whether a run is one of those by which the board chooses a value for each method."""
        if self.curve is None or record.spec.tuning or set(record.spec.overrides) != {self.curve.grid.setting}:
            return False
        return self.covers(record) and record.spec.seed in (*self.curve.seed_list, *self.curve.finalist_seed_list)

    def without_controls(self) -> "Board":
        """The same board without the rows of controls."""
        return self.model_copy(update={"controls": []})

    def label(self, method: str) -> str:
        """The name of `method` for people; its own text where the board gives none."""
        return self.labels.get(method, method)


def boards(folder: Path = TABLES) -> dict[str, Board]:
    """Every committed board by name, in alphabetical order. Raises ValueError where a file is malformed."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}


def load_board(name: str, folder: Path = TABLES) -> Board:
    """The committed board `name`. Raises UsageError with the nearest names, ValueError where its file is malformed."""
    paths = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if name not in paths:
        raise UsageError(f"There is no table `{name}`; {hint(name, paths)}.")
    return _read(paths[name])


def board_for(name: str, records: Sequence[ResultRecord], suites: Collection[str], track: Track = "default") -> Board:
    """The committed board `name`, or one of everything that is stored of the suite `name`.

    Args:
        name: a board or a suite, by its short or canonical name. A board comes first.
        records: everything that is stored.
        suites: names of the suites that exist, with records or without.
        track: for a suite, whose runs make the board.

    Raises:
        UsageError: there is neither; the message has the nearest names.
    """
    known = boards()
    if name in known:
        return known[name]
    board = board_of_suite(name, records, track)
    # A suite whose runs all have changed settings has an empty board, which says where they are shown.
    stored = any(name in (record.suite, record.spec.suite) for record in records)
    if not board.methods and not stored and name.partition(":")[0] not in suites:
        names = {*known, *suites, *(record.suite for record in records)}
        raise UsageError(f"There is no table or suite `{name}`; {hint(name, names)}.")
    return board


def board_of_suite(suite: str, records: Iterable[ResultRecord], track: Track = "default") -> Board:
    """A board of everything that `records` hold of one suite.

    The reference comes first, then the methods in alphabetical order; seeds are the union over methods. On the default
    track, methods that are others muted become controls. A method whose runs all failed is listed, so that it shows as
    missing. The tuned track asks as many trials as every method has.

    Args:
        suite: its short or canonical name.
        records: everything that is stored, in any order.
        track: `default` takes runs as methods come, `tuned` the winners of searches.
    """
    own = [record for record in records if suite in (record.suite, record.spec.suite)]
    if track == "tuned":
        named = [(r.spec.tuning.of, r) for r in own if r.spec.tuning and r.spec.tuning.stage == "final"]
    else:
        named = [(record.method, record) for record in own if not record.spec.overrides and not record.spec.tuning]
    reference = str(Board.model_fields["reference"].default)
    # The reference first: False sorts before True.
    methods = sorted({method for method, _ in named}, key=lambda method: (method != reference, method))
    muted = find_muted(methods) if track == "default" else set()
    seeds = sorted({record.spec.seed for _, record in named})
    name = named[0][1].suite if named else suite
    trials: dict[str, set[int]] = {}
    for record in own:
        if record.spec.tuning and record.spec.tuning.stage == "trial":
            trials.setdefault(record.spec.tuning.of, set()).add(record.spec.tuning.trial)
    # A table should not wait for trials that nobody made: the least number is what all methods have.
    fewest = min((len(numbers) for of, numbers in trials.items() if of in methods), default=0)
    board = Board(name=name, title=name, version=1, suite=name, methods=methods, seeds=_seed_text(seeds) or "0-4")
    if muted:
        kept = [method for method in methods if method not in muted]
        board = board.model_copy(update={"methods": kept, "controls": ["muted"]})
    return board.model_copy(update={"trials": fewest}) if track == "tuned" and fewest else board


def _read(path: Path) -> Board:
    """Read a board and its further parts from a file. Raises ValueError with the file's name where it is malformed."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        first = {"name": path.stem, **content}
        # `also` is not handed on: a part would hold all parts again.
        shared = {key: value for key, value in first.items() if key != "also"}
        return Board(**{**first, "also": [{**shared, **part} for part in content.get("also", [])]})
    except ValidationError as error:
        raise ValueError(f"The table `{path.name}` should be a valid board. {explain_invalid(error)}") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"The table `{path.name}` should be a valid board. Found: {_one_line(str(error))}") from error


def _one_line(text: str) -> str:
    """A message without line breaks, which the text of an error may have."""
    return re.sub(r"\s*\n\s*", "; ", text)


def _seed_text(seeds: list[int]) -> str:
    """Ascending seeds as ranges: [0, 1, 2, 7] is `0-2,7`. The inverse of `parse_seeds`."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1 and len(runs[-1]) < MANY_SEEDS:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
