"""Choices: methods to try first, which stand only while the boards say what they need."""

from pathlib import Path

import pytest

from bench.records import ResultRecord
from leaderboard.analysis.results import Results
from leaderboard.boards.board import board_of_suite, boards
from leaderboard.claims import Situation, UnsupportedChoice, check_choices, load_choices
from leaderboard.claims.choices import ChoiceOption, ChosenBoard
from leaderboard.report.table import analyse_board
from leaderboard.site import write_site
from leaderboard.store import StoreContents

BOARD = ChosenBoard(board="toy", suite="toy")
SINGLE, HARD = ChoiceOption(method="single_task"), ChoiceOption(method="hard", needs=["worse"])


@pytest.fixture
def results(three_methods: list[ResultRecord]) -> Results:
    """`hard` is worse than `single_task`, which leads; `cross_stitch` is better on the three seeds that it has."""
    return analyse_board(board_of_suite("toy", three_methods), StoreContents(three_methods))


def write_choice(*options: ChoiceOption, board: ChosenBoard = BOARD) -> Situation:
    return Situation(name="here", kind="classes", tasks="two", rows="hundreds", boards=[board], options=list(options))


def test_a_choice_stands_where_the_board_says_what_it_needs(results: Results) -> None:
    [checked] = check_choices([write_choice(SINGLE, HARD)], [results])
    assert checked.boards == (results,)
    assert checked.rows[0]["hard"].verdict == "worse"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            (SINGLE, HARD.model_copy(update={"needs": ["better"]})),
            "needs `better` of `hard` on the board `toy` .* `worse`",
        ),
        ((SINGLE, ChoiceOption(method="hard")), "needs `the reference` of `hard` on the board `toy` .* Found `worse`"),
        ((ChoiceOption(method="single_task", needs=["better"]), HARD), "of `single_task` .* Found `the reference`"),
        ((SINGLE, ChoiceOption(method="mmoe", needs=["better"])), "of `mmoe` .* Found `nothing that was run`"),
        ((HARD, ChoiceOption(method="cross_stitch", needs=["better"])), "should have a method that could be the best"),
    ],
)
def test_what_the_records_do_not_support_is_refused(
    results: Results, options: tuple[ChoiceOption, ...], sentence: str
) -> None:
    with pytest.raises(UnsupportedChoice, match=sentence):
        check_choices([write_choice(*options)], [results])


def test_a_board_that_was_not_run_supports_nothing(results: Results, tmp_path: Path) -> None:
    other = write_choice(SINGLE, HARD, board=ChosenBoard(board="toy", suite="other"))
    with pytest.raises(UnsupportedChoice, match=r"rests on the board `toy` \(`other`\)\. Found nothing that was run"):
        check_choices([other], [results])
    with pytest.raises(UnsupportedChoice):  # and no page is written
        write_site(StoreContents([]), [], tmp_path / "out", "runs", choices=[write_choice(SINGLE, HARD)])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("choices = 1", "`choices.toml`: "),
        ("[[choices", "`choices.toml`: "),
        (
            '[[choices]]\nname="a"\nkind="b"\ntasks="c"\nrows="d"\nboards=[{board="x",suite="y"}]\n'
            'options=[{method="hard",needs=["better","worse"]},{method="single_task"}]',
            "`needs` of `hard` should have 1 verdict, one for each board. Found 2.",
        ),
    ],
)
def test_a_malformed_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "choices.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"^`choices\.toml`: ") as raised:
        load_choices(path)
    assert sentence in str(raised.value)


def test_the_committed_choices_name_rows_of_committed_boards() -> None:
    parts = {(part.name, part.suite): part for board in boards().values() for part in board.parts}
    choices = load_choices()
    assert len({choice.name for choice in choices}) == len(choices) >= 10
    for choice in choices:
        for wanted in choice.boards:
            part = parts[wanted.board, wanted.suite]
            assert {option.method for option in choice.options} <= {*part.methods, part.reference}
