"""A board: the frozen list of methods and seeds that a table shows."""

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

MANY_SEEDS = 10_000  # that one run of a text may name
TABLES = Path(__file__).parents[1] / "tables"
Track = Literal["default", "tuned"]  # the options and settings a method comes with, or those a search found


class CurveBudget(BaseModel):
    """The curve that every row of a board has of its own: one budget of values and seeds for all methods.

    over: a setting and its values, as `mtlbench curve --over` takes them: `lr=0.0005..0.02:6`.
    seeds: on which validation chooses a value for each method, as in `1000-1002`; none of them are the board's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    over: str
    seeds: str = "1000-1002"

    @field_validator("over")
    @classmethod
    def _check_over(cls, text: str) -> str:
        """A curve has three values or more, or one of two would always lie at an edge."""
        if len(SettingGrid.parse(text).values) < FEWEST_VALUES:
            raise ValueError(f"`over` should have {FEWEST_VALUES} values or more. Found `{text}`.")
        return text

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, text: str) -> str:
        """As those of a board."""
        parse_seeds(text)
        return text

    @property
    def grid(self) -> SettingGrid:
        """The setting and its values, ascending."""
        return SettingGrid.parse(self.over)

    @property
    def seed_list(self) -> list[int]:
        """The seeds, ascending."""
        return parse_seeds(self.seeds)


class Board(BaseModel):
    """The rows of a table, before there is any result.

    `name` is the file's name; `methods` are short canonical texts, as in `ResultRecord.method`;
    `seeds` reads like `0-4`; `reference` is the method that changes are measured against; `labels`
    gives a method a name for people; `trials` is how many the tuned track gives every method; `controls`
    names those of `leaderboard.boards.controls` that stand below the methods; `series` the suites that differ in the
    number of training rows only, on which the reference's error says what a method is worth in data. With a `curve`,
    each row is its method at the value of a setting that its own curve chose on validation. `also` holds the further
    parts of a table over several suites, each with what differs from the first.
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
    note: str = ""
    also: list["Board"] = []

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, text: str) -> str:
        """Seeds read as `0-4,7` do. Raises ValueError, which the reader of the file makes a sentence of."""
        parse_seeds(text)
        return text

    @field_validator("methods")
    @classmethod
    def _check_methods(cls, methods: list[str]) -> list[str]:
        """Each method is there once: two rows of one name would be one row."""
        for method in methods:
            if methods.count(method) > 1:
                raise ValueError(f"`methods` should list each method once. Found `{method}` twice.")
        return methods

    @model_validator(mode="after")
    def _check_curve(self) -> "Board":
        """Seeds that chose a value do not judge it; no row beside others at their best is at the protocol's value."""
        if self.curve is None:
            return self
        if both := sorted({*self.seed_list} & {*self.curve.seed_list}):
            raise ValueError(f"`curve.seeds` should have none of the board's `seeds`. Found {both[0]} in both.")
        if self.controls or self.series:
            raise ValueError(
                "`curve` should stand without `controls` and `series`, whose runs are at the protocol's own value."
            )
        return self

    @property
    def parts(self) -> list["Board"]:
        """This board and the further ones of its table."""
        return [self, *self.also]

    @property
    def seed_list(self) -> list[int]:
        """The seeds, ascending."""
        return parse_seeds(self.seeds)

    def without_controls(self) -> "Board":
        """The same with its methods only."""
        return self.model_copy(update={"controls": []})

    def label(self, method: str) -> str:
        """The name of `method` for people."""
        return self.labels.get(method, method)


def boards(folder: Path = TABLES) -> dict[str, Board]:
    """Every committed board by name, in alphabetical order. Raises ValueError where a file is malformed."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}


def load_board(name: str, folder: Path = TABLES) -> Board:
    """The committed board `name`. Raises UsageError with the nearest names where there is none."""
    paths = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if name not in paths:
        raise UsageError(f"There is no table `{name}`; {hint(name, paths)}.")
    return _read(paths[name])


def board_for(name: str, records: Sequence[ResultRecord], suites: Collection[str], track: Track = "default") -> Board:
    """The committed board `name`, or one of everything that `records` hold of the suite `name` on a track.

    `suites` are the names of suites that exist, with records or without. Raises UsageError with the
    nearest names where there is neither.
    """
    known = boards()
    if name in known:
        return known[name]
    found = board_of_suite(name, records, track)
    stored = any(name in (record.suite, record.spec.suite) for record in records)  # under settings of their own
    if not found.methods and not stored and name.partition(":")[0] not in suites:
        names = {*known, *suites, *(record.suite for record in records)}
        raise UsageError(f"There is no table or suite `{name}`; {hint(name, names)}.")
    return found


def board_of_suite(suite: str, records: Iterable[ResultRecord], track: Track = "default") -> Board:
    """A board of everything that `records` hold of `suite` (its short or canonical name) on a track.

    The reference comes first, then the methods in alphabetical order; the seeds are the union. Methods that are
    others muted stand below them as controls. A method whose runs all failed is listed too, so that it shows as
    missing. The tuned track is that of as many
    trials as every method has.
    """
    own = [record for record in records if suite in (record.suite, record.spec.suite)]
    if track == "tuned":
        named = [(r.spec.tuning.of, r) for r in own if r.spec.tuning and r.spec.tuning.stage == "final"]
    else:
        named = [(record.method, record) for record in own if not record.spec.overrides and not record.spec.tuning]
    reference = str(Board.model_fields["reference"].default)
    methods = sorted({method for method, _ in named}, key=lambda method: (method != reference, method))
    muted = find_muted(methods) if track == "default" else set()
    seeds = sorted({record.spec.seed for _, record in named})
    name = named[0][1].suite if named else suite
    trials: dict[str, set[int]] = {}
    for record in own:
        if record.spec.tuning and record.spec.tuning.stage == "trial":
            trials.setdefault(record.spec.tuning.of, set()).add(record.spec.tuning.trial)
    fewest = min((len(numbers) for of, numbers in trials.items() if of in methods), default=0)
    board = Board(name=name, title=name, version=1, suite=name, methods=methods, seeds=_seed_text(seeds) or "0-4")
    if muted:
        kept = [method for method in methods if method not in muted]
        board = board.model_copy(update={"methods": kept, "controls": ["muted"]})
    return board.model_copy(update={"trials": fewest}) if track == "tuned" and fewest else board


def _read(path: Path) -> Board:
    """A board from its file, with its further parts, which take from the first what they do not say themselves."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        first = {"name": path.stem, **content}
        shared = {key: value for key, value in first.items() if key != "also"}
        return Board(**{**first, "also": [{**shared, **part} for part in content.get("also", [])]})
    except ValidationError as error:
        raise ValueError(f"The table `{path.name}` should be a valid board. {explain_invalid(error)}") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"The table `{path.name}` should be a valid board. Found: {_one_line(str(error))}") from error


def _one_line(text: str) -> str:
    """A message without line breaks."""
    return re.sub(r"\s*\n\s*", "; ", text)


def _seed_text(seeds: list[int]) -> str:
    """Ascending seeds as runs: [0, 1, 2, 7] is `0-2,7`."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1 and len(runs[-1]) < MANY_SEEDS:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
