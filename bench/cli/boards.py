"""Which boards a name stands for, on the command line and in Python.

A board comes before a suite of the same name; of a suite without a board, one is made of everything that is stored.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import suites
from bench.errors import UsageError
from bench.records import ResultRecord
from leaderboard.boards.changed import select_changed

if TYPE_CHECKING:
    from leaderboard.boards.board import Board, Track


def choose_boards(
    name: str,
    records: Sequence[ResultRecord],
    *,
    track: "Track" = "default",
    controls: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
    plugins: bool = False,
) -> "list[Board]":
    """The boards that the name means, one for each of their suites.

    Args:
        name: A table of `mtlbench list tables`, or a suite by its short or canonical name.
        records: Everything that is stored.
        track: For a suite, whose runs make the board.
        controls: Further controls that are shown, by their names.
        where: Changes of the protocol, as texts: the boards are of the runs with exactly these, and there is none
            where nothing is stored under them.
        plugins: Whether parts that are not of this project may have been loaded, and name suites.

    Raises:
        UsageError: Nothing has that name, or controls stand beside rows at their own best values.
    """
    from leaderboard.boards.board import board_for, board_of_suite

    board = board_for(resolve_suite_name(name, records), records, list_suite_names(plugins), track)
    if controls and any(part.curve for part in board.parts):
        raise UsageError(
            f"`--control` should be left out for `{board.name}`: its rows are at their own best values along a curve, "
            "and controls are not."
        )
    if not where:
        return [part.model_copy(update={"controls": [*part.controls, *controls]}) for part in board.parts]
    kept, pairs = select_changed(records, where), ", ".join(f"{key}={value}" for key, value in where.items())
    changed = [board_of_suite(suite, kept) for suite in dict.fromkeys(part.suite for part in board.parts)]
    return [part.model_copy(update={"title": f"{part.title} with {pairs}"}) for part in changed if part.methods]


def list_suite_names(plugins: bool) -> Collection[str]:
    """The names of the suites that exist, with records or without.

    They are listed by their README files: asking the registry, as for `plugins`, imports torch.
    """
    from suites._own.folders import list_own_names

    cards = [card for folder in suites.__path__ for card in Path(folder).glob("*/README.md")]  # a suite has one
    names = {card.parent.name for card in cards} | set(list_own_names(None))
    if plugins:
        from bench.catalogue.registry import list_entries

        names |= set(list_entries("suite"))
    return names


def resolve_suite_name(name: str, records: Sequence[ResultRecord]) -> str:
    """The short name of a suite that is written with options, as records have it.

    Names of tables, and suites that some record is of, are returned as they are, without loading torch.
    """
    if ":" not in name or any(name in (record.suite, record.spec.suite) for record in records):
        return name
    from bench.planning.plan import parse_suite  # loads torch, for a suite in other words than the records' only

    return parse_suite(name)[0].short
