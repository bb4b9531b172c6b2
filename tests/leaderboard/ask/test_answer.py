"""An answer in words, as a page and as JSON; groups, flips and scores that follow from pairs."""

import json
import math
import re

import numpy as np
import pytest

from bench.records.values import SettingGrid
from leaderboard.analysis.statistics import Interval, percent_less
from leaderboard.ask.answer import Findings, Spending
from leaderboard.ask.drawing import draw_answer, format_answer
from leaderboard.ask.grouping import search_grouping
from leaderboard.ask.groups import rate_predictor
from leaderboard.ask.looks import Looks
from leaderboard.ask.page import write_page
from leaderboard.ask.power import Needed, estimate_needed
from leaderboard.ask.relations import Decision, TaskRelation
from leaderboard.ask.sentences import write_answer, write_needed
from leaderboard.ask.verdicts import FamilyRules, RelationVerdict
from leaderboard.report.percent import write_change

HOSTILE = '<script>alert("`x`")</script>'
NOTHING = Interval(math.nan, None, None, 0)


def judge(main: str, extra: str, change: float, method: str = "hard", decided: bool = True) -> RelationVerdict:
    """A verdict on a change that is certain to a hundredth, with shuffled labels that say nothing."""
    estimate = Interval(change, change - 0.01, change + 0.01, 5)
    decision = Decision("better" if change > 0 else "worse", 5, 0.001) if decided else None
    informed = Decision("better", 5, 0.001) if change > 0 and decided else None
    return RelationVerdict(TaskRelation(main, (extra,), method), estimate, estimate, decision, informed)


def make_findings(names: tuple[str, ...] = ("a", "b", "c"), **more: object) -> Findings:
    a, b, c = names
    gains = {(a, b): 0.2, (b, a): 0.1, (a, c): -0.3, (c, a): -0.2, (b, c): -0.1, (c, b): -0.1}
    values: dict[str, object] = {
        "suite": f"mine:{a}",
        "tasks": names,
        "mains": names,
        "splits": {"train": 10, "test": 5},
        "reference": "single_task",
        "rules": FamilyRules(Looks((5, 10, 20)), math.log(1.01)),
        "judged": [judge(a, "rest", 0.2), judge(b, "rest", -0.1), judge(c, "rest", 0.05, decided=False)],
        "pairs": [judge(main, extra, gain) for (main, extra), gain in gains.items()],
        "needed": {TaskRelation(c, ("rest",), "hard"): Needed(17, 2.0, "difference")},
        "rates": {("hard", a): 0.01},
        "grids": {"hard": SettingGrid("lr", (0.0033, 0.01, 0.03))},
        "alone": {a: Interval(0.5, 0.4, 0.6, 5), b: NOTHING},
        "controls": {"single_task_wide": {a: Interval(0.0, -0.1, 0.1, 5)}},
        "spending": Spending(10, 4, 12.0, math.inf, 3.0, None),
        "ended": "seeds",
        "predictors": [rate_predictor("cosine", {pair: gain + 1 for pair, gain in gains.items()}, gains)],
        "commands": ["mtlbench run mine hard"],
    }
    return Findings(**(values | more))  # type: ignore[arg-type]


def test_the_sentences_say_whom_why_what_is_open_and_what_to_do() -> None:
    whom, why, pairs, undecided, advice = write_answer(make_findings())
    assert whom == (
        "Learning together helps `a` (`hard`: 18.1 % less error [17.3, 18.9]), hurts `b` under every method that was "
        "run, is not shown to help `c`."
    )
    assert why == "For `a` it is what the other labels say that helps: with shuffled labels it is less."
    assert pairs.startswith("Of 6 ordered pairs 2 are RELATED and 4 are HARMFUL; most of all `b` helps `a`")
    assert "a + b | c" in pairs
    assert undecided == "1 of 3 verdicts are undecided; the first of them would take about 17 seeds, half of them 17."
    assert "`mtlbench run mine:a hard --seeds 0-4 --set lr=0.01`" in advice


@pytest.mark.parametrize(("rate", "word"), [(0.03, "largest"), (0.0033, "smallest")])
def test_rates_that_are_still_at_an_end_are_told(rate: float, word: str) -> None:
    grids = {"single_task": SettingGrid("lr", (0.0033, 0.01)), "hard": SettingGrid("lr", (0.0033, 0.01, 0.03))}
    chosen = {("single_task", "a"): 0.0033, ("hard", "a"): 0.01, ("hard", "b"): rate}
    findings = make_findings(rates=chosen, grids=grids)
    [told] = [each for each in write_answer(findings) if "lie beyond" in each]
    ends = {
        "smallest": "the smallest one, 0.0033, of `single_task` and `hard`",
        "largest": "the largest one, 0.03, of `hard`",
    }
    assert ends[word] in told
    assert findings.edges[("hard", "low" if word == "smallest" else "high", rate)] == ["b"]
    inside = make_findings(rates={("hard", "a"): 0.01, ("hard", "b"): 0.01}, grids=grids)
    assert not any("lie beyond" in each for each in write_answer(inside))


def test_commands_repeat_what_was_given() -> None:
    findings = make_findings(options=" --store 'my runs' --plugin mine.py")
    assert findings.recommended_command.endswith("--set lr=0.01 --store 'my runs' --plugin mine.py")


def test_what_was_not_run_is_one_line_and_no_verdict() -> None:
    waiting = RelationVerdict(TaskRelation("a", ("rest",), "cross_stitch"), NOTHING, NOTHING, None, None)
    findings = make_findings(judged=[judge("a", "rest", 0.05, decided=False), waiting], needed={}, predictors=[])
    assert "1 of 1 verdicts are undecided, 1 more were not run." in write_answer(findings)
    text = format_answer(findings)
    assert "Not run so far, for some task or all: `cross_stitch`." in text
    assert text.count("cross_stitch") == 1
    assert "rank correlation" not in text


def test_without_runs_it_says_that_there_is_no_answer() -> None:
    empty = RelationVerdict(TaskRelation("a", ("b", "c"), "hard"), NOTHING, NOTHING, None, None)
    first, *_ = write_answer(make_findings(judged=[empty], pairs=[], needed={}, ended="budget"))
    assert first.startswith("There is no answer yet")
    text = format_answer(make_findings(judged=[empty], pairs=[], needed={}, ended="budget", commands=[]))
    assert "For all tasks" not in text
    assert "The runs behind this page" not in text


@pytest.mark.parametrize("change", [0.3, -0.3, 0.0])
def test_changes_are_told_in_error(change: float) -> None:
    assert percent_less(change) == pytest.approx(100 * (1 - math.exp(-change)))
    word = "less" if change >= 0 else "more"
    assert write_change(Interval(change, change, change, 3)).startswith(
        f"{abs(percent_less(change)):.1f} % {word} error"
    )


def test_names_are_text_wherever_they_stand() -> None:
    findings = make_findings((HOSTILE, "b", "c"))
    page = write_page(findings)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<svg") == 2
    lines = [line for line in format_answer(findings).splitlines() if not line.startswith("    ")]
    prose = [part for line in lines for part in line.replace("\\`", "").split("`")[::2]]  # what is no code
    assert any("script" in part for part in prose)
    assert not any(re.search(r"(?<!\\)<script", part) for part in prose)
    assert "a\x1b[2J" not in draw_answer(make_findings(("a\x1b[2J", "b", "c")))


def test_json_has_no_number_that_is_none() -> None:
    text = json.dumps(make_findings().as_json(), allow_nan=False)
    answer = json.loads(text)
    assert answer["alone"]["b"] == {"mean": None, "low": None, "high": None, "seeds": 0}
    assert answer["cost"]["budget"] is None
    assert [each["verdict"] for each in answer["verdicts"]] == ["RELATED", "HARMFUL", "UNDECIDED"]
    assert answer["verdicts"][2]["needed"] == {"seeds": 17, "rows": 2.0, "to_show": "difference"}
    assert answer["recommended"]["tasks"] == {"a": "hard", "b": "single_task", "c": "single_task"}
    assert answer["grouping"]["groups"] == [["a", "b"], ["c"]]
    assert answer["grouping"]["gain"] == pytest.approx((0.2 + 0.1) / 3)


def test_where_methods_disagree_both_are_named() -> None:
    both = [judge("a", "b", 0.1, "hard"), judge("a", "b", -0.1, "soft"), judge("b", "a", 0.1, "soft")]
    [flip] = make_findings(judged=both, pairs=[]).flips
    assert (flip.main, flip.helps, flip.hurts) == ("a", "hard", "soft")
    wide = RelationVerdict(TaskRelation("a", ("b",), "soft"), Interval(-0.1, -0.3, 0.1, 5), NOTHING, None, None)
    assert make_findings(judged=[both[0], wide], pairs=[]).flips == []


def test_a_grouping_is_the_best_of_all() -> None:
    tasks = list("abcd")
    generator = np.random.default_rng(0)
    gains = {(m, e): float(generator.normal()) for m in tasks for e in tasks if m != e}
    found = search_grouping(tasks, gains, "hard")
    assert found is not None
    # The groupings of four tasks as labellings; every partition is among them.
    best = 0.0
    for code in np.ndindex(4, 4, 4, 4):
        groups = [[t for t, k in zip(tasks, code, strict=True) if k == at] for at in range(4)]
        means = [sum(gains[m, e] for e in g if e != m) / (len(g) - 1) for g in groups if len(g) > 1 for m in g]
        best = max(best, sum(means) / 4)
    assert found.gain == pytest.approx(best)
    assert search_grouping(tasks, dict.fromkeys(gains, -1.0), "hard").groups == tuple((t,) for t in tasks)  # type: ignore[union-attr]
    assert search_grouping(tasks, dict(list(gains.items())[1:]), "hard") is None


def test_what_it_takes_is_what_power_says() -> None:
    """Of normal differences of deviation 1: seeds at which the t test finds the mean four times of five."""
    sample = np.array([1.0, -1.0, 2.0, 0.0, 0.5, 0.5])
    needed = estimate_needed(sample / sample.std(ddof=1), 1, 0.05, 0.01)
    assert needed is not None
    assert needed.to_show == "difference"
    assert needed.seeds is not None
    effect = sample.mean() / sample.std(ddof=1)
    generator = np.random.default_rng(0)
    for seeds, enough in ((needed.seeds, True), (max(3, needed.seeds - 5), False)):
        draws = generator.standard_normal((4000, seeds)) + effect
        t = np.abs(draws.mean(axis=1)) / (draws.std(axis=1, ddof=1) / math.sqrt(seeds))
        from scipy.stats import t as student

        assert ((t > student.ppf(0.975, seeds - 1)).mean() > 0.77) == enough
    overlapping = estimate_needed(0.01 * sample + 0.001, 10, 0.05, 0.01, overlap=0.5)
    assert overlapping is not None
    assert overlapping.seeds is None
    assert "no number of seeds" in write_needed(overlapping)
