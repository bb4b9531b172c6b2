"""Choices: which methods to try first in a situation, each held against the boards whose data are like it.

Like a finding a choice stands only while the records say what it rests on. It has no words of its own about methods:
those are the verdicts of the boards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.errors import count_nouns
from leaderboard.analysis.contrasts import ContrastVerdict
from leaderboard.analysis.judged import JudgedRow, judge_rows
from leaderboard.analysis.results import Results
from leaderboard.claims.findings import UnsupportedFinding
from leaderboard.claims.toml_file import read_toml

CHOICES_FILE = Path(__file__).parents[1] / "choices.toml"


class ChosenBoard(BaseModel):
    """A part of a committed board, on its default track."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    board: str
    suite: str


class ChoiceOption(BaseModel):
    """A method to try.

    Attributes:
        method: a row of every board of the choice.
        needs: its verdict against the reference on each of them; empty for the reference itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    needs: list[ContrastVerdict] = Field(default_factory=list)


class Situation(BaseModel):
    """A situation, the boards that are like it, and two or three methods.

    Attributes:
        name: the situation in words, unique.
        kind, tasks, rows: what a reader chooses by.
        boards: where it was run.
        options: what to try.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: str
    tasks: str
    rows: str
    boards: list[ChosenBoard] = Field(min_length=1)
    options: list[ChoiceOption] = Field(min_length=2, max_length=3)

    @model_validator(mode="after")
    def _check_needs(self) -> "Situation":
        """A verdict for each board."""
        for option in self.options:
            if option.needs and len(option.needs) != len(self.boards):
                raise ValueError(
                    f"`needs` of `{option.method}` should have {count_nouns(len(self.boards), 'verdict')}, one for "
                    f"each board. Found {len(option.needs)}."
                )
        return self


class _Choices(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    choices: list[Situation]


@dataclass(frozen=True)
class CheckedSituation:
    """A choice that the records support, with the numbers of its boards and method -> row of each."""

    choice: Situation
    boards: tuple[Results, ...]
    rows: tuple[dict[str, JudgedRow], ...]


class UnsupportedChoice(UnsupportedFinding):
    """A choice that the records do not support; the message names it, the method, the board, and what was found."""


def load_choices(path: Path = CHOICES_FILE) -> list[Situation]:
    """The choices of a file. Raises ValueError with its name where it is malformed."""
    return read_toml(path, _Choices).choices


def check_choices(choices: Sequence[Situation], boards: Sequence[Results]) -> list[CheckedSituation]:
    """Every choice with the boards that support it.

    Args:
        choices: as they were written.
        boards: of the default track.

    Raises:
        UnsupportedChoice: for the first one with a board that was not run, a method with another verdict than the one
            it needs, or a board of which no option could be the best: that would keep a better method from the reader.
    """
    known = {(each.board.name, each.board.suite): each for each in boards}
    return [
        _check_choice(choice, [known.get((each.board, each.suite)) for each in choice.boards]) for choice in choices
    ]


def _check_choice(choice: Situation, boards: Sequence[Results | None]) -> CheckedSituation:
    """A choice with its boards, all of which should be there."""
    there: list[Results] = []
    rows: list[dict[str, JudgedRow]] = []
    for place, (wanted, results) in enumerate(zip(choice.boards, boards, strict=True)):
        name = f"the board `{wanted.board}` (`{wanted.suite}`)"
        if results is None:
            raise UnsupportedChoice(
                f"The choice “{choice.name}” rests on {name}. Found nothing that was run; change `choices.toml`."
            )
        judged = judge_rows(results)
        for option in choice.options:
            _check_option(choice, option, place, name, results, judged)
        if not any(judged[option.method].could_be_best for option in choice.options):
            raise UnsupportedChoice(
                f"The choice “{choice.name}” should have a method that could be the best of {name}. Found none; change "
                "`choices.toml`."
            )
        there.append(results)
        rows.append(judged)
    return CheckedSituation(choice, tuple(there), tuple(rows))


def _check_option(
    choice: Situation, option: ChoiceOption, place: int, name: str, results: Results, judged: dict[str, JudgedRow]
) -> None:
    """Raise UnsupportedChoice where a method has not the verdict that it needs on the board at `place`."""
    row = judged.get(option.method)
    needed = option.needs[place] if option.needs else "the reference"
    found = "nothing that was run"
    if row and option.method == results.board.reference:
        found = "the reference"
    elif row and row.verdict:
        found = row.verdict
    if found != needed:
        raise UnsupportedChoice(
            f"The choice “{choice.name}” needs `{needed}` of `{option.method}` on {name}. Found `{found}`; change "
            "`choices.toml`."
        )
