"""A reproduced table beside the committed one: digits on one kind of machine, scipy's t test and Holm elsewhere."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.cli.main import main
from bench.cli.reproduce import _compare_with_committed
from bench.records import ResultRecord
from leaderboard.boards.board import Board
from leaderboard.store import Store
from leaderboard.store.committed import COMMITTED
from leaderboard.trust.reproduction import compare_with_committed

Make = Callable[..., ResultRecord]
ELSEWHERE = {"torch": "another"}  # an environment that is not the committed one


def board(*methods: str) -> Board:
    return Board(name="t", title="T", version=1, suite="toy", methods=list(methods), seeds="0-9")


@pytest.fixture
def runs(make_record: Make) -> Callable[..., list[ResultRecord]]:
    """`runs(method, scores of the task left)`: one record per seed."""

    def made(method: str, scores: Sequence[float], **more: object) -> list[ResultRecord]:
        return [make_record(method, seed, {"left": round(score, 2)}, **more) for seed, score in enumerate(scores)]

    return made


@pytest.mark.parametrize("sizes", [(5, 5), (5, 10), (2, 7), (1, 5)])
def test_p_is_that_of_the_two_sample_t_test(runs, sizes) -> None:
    generator = np.random.default_rng(0)
    here, there = (np.round(generator.normal(90, 0.5, size=n), 2) for n in sizes)
    [cell] = compare_with_committed([board("hard")], runs("hard", here, environment=ELSEWHERE), runs("hard", there))
    assert cell.pair.p == pytest.approx(stats.ttest_ind(here, there).pvalue, rel=1e-6)
    shifted = here - here.mean() + there.mean() + cell.allowed
    assert stats.ttest_ind(shifted, there).pvalue == pytest.approx(0.05, rel=1e-6)  # a family of one


def test_holm_over_all_numbers(runs) -> None:
    methods, shifts = ["a", "b", "c", "d"], [0.0, 0.45, 0.6, 2.0]
    noise = np.array([0.3, -0.2, 0.1, -0.4, 0.2])
    here = [record for m, s in zip(methods, shifts, strict=True) for record in runs(m, 90 + s - noise)]
    there = [record for m in methods for record in runs(m, 90 + noise, environment=ELSEWHERE)]
    cells = compare_with_committed([board(*methods)], here, there)
    rejected, adjusted, *_ = multipletests([cell.pair.p for cell in cells], 0.05, method="holm")
    assert [cell.adjusted for cell in cells] == pytest.approx(list(adjusted))
    assert [cell.verdict == "beyond noise" for cell in cells] == list(rejected)
    assert 0 < sum(rejected) < 4
    outside = [abs(cell.pair.difference) > cell.allowed for cell in cells]
    assert outside == list(rejected)  # the difference that is allowed is the same judgement


def test_one_digit_on_the_same_kind_of_machine_is_outside(runs) -> None:
    committed = runs("hard", [90.0, 90.5, 89.5])
    [equal] = compare_with_committed([board("hard")], runs("hard", [90.0, 90.5, 89.5]), committed)
    assert (equal.verdict, equal.pair.p) == ("equal", 1.0)
    [differs] = compare_with_committed([board("hard")], runs("hard", [90.0, 90.51, 89.5]), committed)
    assert (differs.verdict, differs.pair.differing) == ("differs", (1,))
    [elsewhere] = compare_with_committed(
        [board("hard")], runs("hard", [90.0, 90.51, 89.5], environment=ELSEWHERE), committed
    )
    assert elsewhere.verdict == "within noise"


def test_too_few_runs_are_not_judged_and_missing_ones_not_compared(runs) -> None:
    [cell] = compare_with_committed([board("hard")], runs("hard", [91.0], environment=ELSEWHERE), runs("hard", [90.0]))
    assert cell.verdict == "not judged"
    assert math.isnan(cell.adjusted)
    assert compare_with_committed([board("hard", "soft")], runs("hard", [91.0]), runs("soft", [90.0])) == []


def test_what_reproduce_says_counts_each_verdict_for_itself(runs, tmp_path, monkeypatch, capsys) -> None:
    """A number that cannot be judged is not within seed noise."""
    noise = [90.0, 90.5, 89.5, 90.2, 89.8]
    here = [
        *runs("a", noise),
        *runs("b", [91.0], environment=ELSEWHERE),
        *runs("c", noise[::-1], environment=ELSEWHERE),
    ]
    there = [*runs("a", noise), *runs("b", [90.0]), *runs("c", noise), *runs("d", noise)]
    here += runs("d", [x + 5 for x in noise], environment=ELSEWHERE)
    for record in there:
        Store(tmp_path).write(record)
    monkeypatch.setattr("leaderboard.store.committed.COMMITTED", tmp_path)
    assert _compare_with_committed([board("a", "b", "c", "d")], here) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        "4 numbers beside the committed ones: 1 equal digit for digit, 1 within seed noise, "
        "1 not judged (too few runs), 1 not."
    )
    assert _compare_with_committed([board("a", "e")], here) == 0
    assert "Not compared, since one of the two stores has no run of it: `e` (toy)." in capsys.readouterr().err
    assert _compare_with_committed([board("e")], here) == 1  # nothing was compared, which proves nothing


def test_the_committed_store_is_no_reproduction_of_itself(capsys) -> None:
    assert main(["reproduce", "demo", "--store", str(COMMITTED), "--against", "committed"]) == 2
    assert "should be given a store of its own" in capsys.readouterr().err
