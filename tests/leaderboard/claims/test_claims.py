"""Claims and what records say of them: which runs decide, the gain, the verdict, and the files that are committed."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bench.errors import UsageError
from bench.records import ProbeResults, ResultRecord, Tuning
from leaderboard.boards.board import boards
from leaderboard.claims import Claim, ClaimList, Gain, judge_claims, list_claim_files, load_claims
from leaderboard.report.claims import describe_comparison, tabulate_claims
from leaderboard.site.build import write_site
from leaderboard.store import StoreContents
from tests.leaderboard.conftest import build_record

SUITE = "toy"


def build_claim(**fields: object) -> Claim:
    return Claim(**({"name": "a", "text": "A helps.", "suite": SUITE, "task": "left"} | fields))  # type: ignore[arg-type]


def build_runs(method: str, accuracies: list[float], **more: object) -> list[ResultRecord]:
    """A run of each seed, with these accuracies of task left."""
    return [
        build_record(method, seed, {"left": value, "right": 50.0}, **more)  # type: ignore[arg-type]
        for seed, value in enumerate(accuracies)
    ]


ALONE = build_runs("single_task", [80.0, 82.0, 78.0, 81.0, 79.0])
BETTER = build_runs("hard", [90.0, 91.0, 89.5, 90.2, 89.9])
SAME = build_runs("hard", [80.1, 81.9, 78.1, 80.9, 79.0])
WORSE = build_runs("hard", [60.0, 61.0, 59.5, 60.2, 59.9])


@pytest.mark.parametrize(
    ("runs", "expected", "verdict"),
    [
        (BETTER, "more", "as stated"),
        (WORSE, "more", "the other way round"),
        (SAME, "more", "no difference of 5 %"),
        (SAME, "same", "as stated"),
        (BETTER, "same", "the other way round"),
        (BETTER, "no more", "the other way round"),
        (BETTER, "no less", "as stated"),
        (WORSE, "no more", "as stated"),
        (SAME, "no more", "as stated"),
        (SAME, "no less", "as stated"),
        (WORSE, "less", "as stated"),
        (build_runs("hard", [70.0, 92.0, 60.0, 85.0, 79.0]), "more", "not shown"),
        (build_runs("hard", [70.0, 92.0, 60.0, 85.0, 79.0]), "same", "not shown"),
        ([], "more", "not run"),
        (BETTER[:1], "more", "not shown"),
    ],
)
def test_a_verdict_follows_from_sign_and_certainty(runs: list[ResultRecord], expected: str, verdict: str) -> None:
    [judged] = judge_claims([build_claim(expected=expected)], [*ALONE, *runs])
    assert judged.verdict == verdict


def test_the_gain_is_the_mean_of_log_ratios_of_errors_paired_by_seed() -> None:
    [judged] = judge_claims([build_claim()], [*ALONE, *BETTER[1:]])  # the first seed has one run only
    errors = [[100 - record.scores["per_task"]["left"]["accuracy"] for record in runs] for runs in (ALONE, BETTER)]
    gains = np.log(np.array(errors[0][1:]) / np.array(errors[1][1:]))
    assert judged.estimate
    assert judged.estimate.n == 4
    assert judged.estimate.mean == pytest.approx(gains.mean(), rel=1e-3)
    assert judged.p == pytest.approx(stats.ttest_1samp(gains, 0).pvalue, rel=1e-2)
    assert set(judged.run_ids) == {record.run_id for record in [*ALONE[1:], *BETTER[1:]]}


def test_verdicts_are_corrected_over_the_claims_that_were_run() -> None:
    claims = [build_claim(), build_claim(task="right", expected="same"), build_claim(suite="another")]
    alone, *_ = judge_claims(claims[:1], [*ALONE, *BETTER])
    first, second, none = judge_claims(claims, [*ALONE, *BETTER])
    assert first.p == pytest.approx(2 * alone.p)  # two that were run, of three
    assert second.p == 1
    assert math.isnan(none.p)


def test_runs_at_the_value_of_a_curve_come_before_plain_ones() -> None:
    tuning = Tuning(of="hard", trial=0, stage="best")
    best = [
        record.model_copy(update={"spec": record.spec.vary(overrides={"lr": 0.2}, tuning=tuning), "run_id": f"b{n}"})
        for n, record in enumerate(WORSE)
    ]
    [judged] = judge_claims([build_claim()], [*ALONE, *BETTER, *best])
    assert judged.verdict == "the other way round"


def test_settings_name_the_runs_that_were_made_under_them() -> None:
    changed = build_runs("hard", [60.0, 61.0, 59.5, 60.2, 59.9], overrides={"shuffled": "right", "lr": 0.2})
    runs = [*ALONE, *BETTER, *changed]
    plain, shuffled, other = judge_claims(
        [
            build_claim(),
            build_claim(settings={"lr": "0.2", "shuffled": "right"}),
            build_claim(settings={"lr": "0.3"}),
        ],
        runs,
    )
    assert [each.verdict for each in (plain, shuffled, other)] == ["as stated", "the other way round", "not run"]


def test_a_gain_beyond_another_is_their_difference_seed_by_seed() -> None:
    [judged] = judge_claims([build_claim(beyond=Gain(suite=SUITE, task="right"))], [*ALONE, *BETTER])
    [plain] = judge_claims([build_claim()], [*ALONE, *BETTER])
    assert judged.estimate
    assert plain.estimate
    assert judged.estimate.mean == pytest.approx(plain.estimate.mean)  # `right` is the same in all runs
    [itself] = judge_claims([build_claim(beyond=Gain(suite=SUITE, task="left"))], [*ALONE, *BETTER])
    assert itself.estimate
    assert itself.estimate.mean == pytest.approx(0)


def test_a_method_may_be_compared_with_one_on_a_variant_of_the_suite() -> None:
    elsewhere = build_runs("single_task", [50.0, 51.0, 49.0, 50.5, 49.5], suite="variant")
    [judged] = judge_claims([build_claim(against_suite="variant")], [*ALONE, *BETTER, *elsewhere])
    [plain] = judge_claims([build_claim()], [*ALONE, *BETTER, *elsewhere])
    assert judged.estimate
    assert plain.estimate
    assert judged.estimate.mean > plain.estimate.mean + 0.5


def test_a_claim_may_be_of_a_metric_by_its_distance_from_the_best() -> None:
    plain, metric = judge_claims([build_claim(), build_claim(metric="accuracy")], [*ALONE, *BETTER])
    assert plain.estimate
    assert metric.estimate
    assert metric.estimate.mean == pytest.approx(plain.estimate.mean)  # 100 - accuracy is the error in per cent
    told = tabulate_claims(ClaimList(title="a", source="b", claims=[metric.claim]), [metric])
    assert "`left`, accuracy: `hard` against" in told
    assert "Of a metric that is named they are less distance from its best value." in told
    perfect = build_runs("hard", [100.0, 90.0, 91.0, 90.0, 90.5])
    [judged] = judge_claims([build_claim(metric="accuracy")], [*ALONE, *perfect])
    assert judged.estimate
    assert judged.estimate.n == 4  # a perfect run has no logarithm
    with pytest.raises(
        UsageError, match=r"one of those of `classification`\. Found `acuracy`; the nearest: `accuracy`"
    ):
        judge_claims([build_claim(metric="acuracy")], [*ALONE, *BETTER])
    with pytest.raises(ValueError, match="`metric` should stand beside a `task`"):
        build_claim(metric="accuracy", task="")


def test_without_a_task_the_gain_is_the_mean_over_all() -> None:
    left, right, both = judge_claims(
        [build_claim(task="left"), build_claim(task="right"), build_claim(task="")], [*ALONE, *BETTER]
    )
    assert left.estimate
    assert right.estimate
    assert both.estimate
    assert both.estimate.mean == pytest.approx((left.estimate.mean + right.estimate.mean) / 2)
    with pytest.raises(ValueError, match="should be named"):
        build_claim(task="", blocks=["A", "B"])


def test_the_use_of_inputs_is_read_from_probes() -> None:
    def probe(runs: list[ResultRecord], rise: float) -> list[ResultRecord]:
        found = [
            ProbeResults(epochs=[1], blocks={"A": {"left": rise + 0.01 * n}, "B": {"left": 0.1}})
            for n, _ in enumerate(runs)
        ]
        return [record.model_copy(update={"probes": each}) for record, each in zip(runs, found, strict=True)]

    claim = build_claim(blocks=["A", "B"], against="")
    [judged] = judge_claims([claim], probe(BETTER, 0.5))
    assert judged.estimate
    assert judged.estimate.mean == pytest.approx(0.42)
    assert judged.verdict == "as stated"
    [beside] = judge_claims([build_claim(blocks=["A", "B"])], [*probe(BETTER, 0.5), *probe(ALONE, 0.2)])
    assert beside.estimate
    assert beside.estimate.mean == pytest.approx(0.3)
    [unprobed] = judge_claims([claim], BETTER)
    assert unprobed.verdict == "not run"


def test_the_table_says_what_was_compared_and_how_it_came_out() -> None:
    claims = load_claims("caruana_1997").model_copy(update={"claims": [build_claim(), build_claim(suite="another")]})
    text = tabulate_claims(claims, judge_claims(claims.claims, [*ALONE, *BETTER]))
    assert "| **a**: A helps. | `toy`, `left`: `hard` against `single_task` | +" in text
    assert "| not run |" in text
    assert "1 of 1 claim that was run" in text


@pytest.mark.parametrize(
    ("beyond", "told"),
    [
        ({"suite": SUITE, "task": "right"}, "; less the same on `right`"),
        ({"suite": "toy:x=1", "task": "left"}, "; less the same on `toy:x=1`, `left`"),
        ({"suite": SUITE, "task": "left", "against": "soft"}, "; less `hard` against `soft`"),
        (
            {"suite": "toy:x=1", "settings": {"lr": "2"}},
            "; less `hard` (`lr=2`) against `single_task` on `toy:x=1`, all tasks",
        ),
    ],
)
def test_what_is_subtracted_is_told_as_far_as_it_differs(beyond: dict[str, object], told: str) -> None:
    assert describe_comparison(build_claim(beyond=Gain(**beyond))).endswith(f"against `single_task`{told}")  # type: ignore[arg-type]


def test_a_list_without_runs_says_so() -> None:
    claims = load_claims("caruana_1997")
    assert "None of these was run yet." in tabulate_claims(claims, judge_claims(claims.claims, []))


def test_committed_claims_are_of_suites_and_methods_that_boards_have() -> None:
    suites: dict[str, set[str]] = {}  # on whichever board
    for board in boards().values():
        for part in board.parts:
            suites.setdefault(part.suite, set()).update(part.methods)
    for name in list_claim_files():
        for claim in load_claims(name).claims:
            for gain in filter(None, (claim, claim.beyond)):
                if not gain.settings and gain.suite in suites:
                    assert gain.method in suites[gain.suite]
                    assert not gain.against or gain.against in suites[gain.against_suite or gain.suite]


def test_malformed_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('title = "x"\nsource = "y"\n[[claims]]\nname = "a"\n')
    with pytest.raises(ValueError, match=r"mine\.toml"):
        load_claims("mine", tmp_path)
    with pytest.raises(UsageError, match="the nearest: `mine`"):
        load_claims("min", tmp_path)


def test_the_site_has_a_page_of_claims_with_links_to_their_runs(tmp_path: Path) -> None:
    suite = "mechanisms:kind=eavesdropping"
    runs = [
        build_record(method, seed, {"t1": good + seed, "t2": 90.0}, suite=suite)
        for method, good in (("single_task", 80.0), ("hard", 90.0))
        for seed in range(4)
    ]
    page = write_site(StoreContents(runs), [], tmp_path / "site", "store").parent / "claims.html"
    text = page.read_text()
    assert "as stated</strong>: 5" in text
    assert "% less error [" in text
    assert text.index("Not run yet") < text.index("The knob of a door")
    for run in runs:
        assert f'href="runs/{run.run_id}.html"' in text
        assert (page.parent / "runs" / f"{run.run_id}.html").exists()
    assert 'href="../claims.html"' in (page.parent / "runs" / f"{runs[0].run_id}.html").read_text()
    assert not (write_site(StoreContents(ALONE), [], tmp_path / "other", "store").parent / "claims.html").exists()
