"""`mtlbench ask` from question to verdict, on tables with known answers."""

from pathlib import Path

import pytest

from bench.execution.ask.answering import Asked
from bench.execution.ask.inquiry import Inquiry
from leaderboard.ask.sentences import write_answer
from tests.bench.execution.asking import ask_three_tables


def read_verdicts(inquiry: Inquiry, method: str) -> dict[str, str]:
    """Verdict of each task beside all others, and of each pair as `main<extra`, under a method."""
    whole = {each.relation.main: each.verdict for each in inquiry.judge() if each.relation.method == method}
    pairs = {
        f"{each.relation.main}<{each.relation.extras[0]}": each.verdict
        for each in inquiry.judge_pairs()
        if each.relation.method == method
    }
    return whole | pairs


@pytest.mark.slow
def test_three_related_tables_are_related(tmp_path: Path) -> None:
    inquiry = ask_three_tables(tmp_path, "kind=related", seeds=16, methods=("hard",))
    verdicts = read_verdicts(inquiry, "hard")
    assert verdicts == dict.fromkeys(verdicts, "RELATED")
    assert len(verdicts) == 9
    answer = Asked(inquiry).make_answer()
    assert write_answer(answer)[0].startswith("Learning together helps `a` (")
    assert answer.recommended != "single_task"
    assert answer.grouping is not None
    assert answer.grouping.groups == (("a", "b", "c"),)


@pytest.mark.slow
def test_the_right_pair_is_related_and_a_stranger_is_not(tmp_path: Path) -> None:
    inquiry = ask_three_tables(tmp_path, "kind=one_pair", seeds=16, methods=("hard",))
    verdicts = read_verdicts(inquiry, "hard")
    assert (verdicts["a<b"], verdicts["b<a"]) == ("RELATED", "RELATED")
    assert "RELATED" not in {verdicts[pair] for pair in ("a<c", "c<a", "b<c", "c<b")}


def test_a_task_that_says_the_opposite_is_harmful_under_one_model_for_all(tmp_path: Path) -> None:
    inquiry = ask_three_tables(tmp_path, "kind=opposite", methods=("hard",), pairs=False)
    verdicts = read_verdicts(inquiry, "hard")
    assert {verdicts[task] for task in "abc"} == {"HARMFUL"}


@pytest.mark.slow
def test_three_unrelated_tables_are_never_related(tmp_path: Path) -> None:
    related = 0
    for draw in range(20):
        inquiry = ask_three_tables(tmp_path / str(draw), f"kind=unrelated,draw={draw}", 8, ("soft+l2",))
        related += any(each.verdict == "RELATED" for each in (*inquiry.judge(), *inquiry.judge_pairs()))
    print(f"\nthree unrelated tables, 20 data sets: {related} with a RELATED")
    assert related == 0
