"""Runs that were made again: digits on one kind of machine, paired seeds elsewhere, and costs that cannot be."""

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.records import CorrectRows, Cost, Curves, Packed, ResultRecord, Tuning
from leaderboard.store.committed import read_committed_suite
from leaderboard.trust.paired_tests import NU, RATIO, RunPair, estimate_seed_spread, run_paired_tests
from leaderboard.trust.reruns import compare_reruns

Make = Callable[..., ResultRecord]
ELSEWHERE = {"torch": "another"}
COST = Cost(
    parameters=6548, forward_flops=114176, step_ms=2.0, train_seconds=6.0, peak_memory_mb=500.0, hardware="cpu: A"
)
# method -> seed -> rule -> task -> accuracy of committed MultiDigits cells (AVX2, torch 2.15), run again elsewhere
# (AVX512, torch 2.14).
AGAIN = json.loads((Path(__file__).parent / "two_machines.json").read_text())


@pytest.mark.parametrize(
    ("scores", "again", "agrees", "words"),
    [
        ([95.0, 95.4, 94.8], 95.0, True, "equal digit for digit"),
        ([95.0, 95.4, 94.8], 95.1, True, "within what another kind of machine changes"),
        (
            [95.0, 95.4, 94.8],
            99.0,
            False,
            "beyond what another kind of machine changes: left accuracy (val) 95, again 99",
        ),
        ([95.0], 99.0, None, "not judged"),
        ([95.0], None, False, "the run failed: it left no record"),
    ],
)
def test_what_a_rerun_says(
    make_record: Make, scores: list[float], again: float | None, agrees: bool | None, words: str
) -> None:
    row = [make_record("hard", seed, {"left": score}) for seed, score in enumerate(scores)]
    fresh = make_record("hard", 0, {"left": again}, environment=ELSEWHERE) if again else None
    [outcome] = compare_reruns(row[:1], {row[0].run_id: fresh}, {}, row)
    assert outcome.agrees is agrees
    assert words in outcome.sentence
    assert outcome.as_json()["agrees"] is agrees


def test_rows_that_are_right_in_turn_are_a_difference_and_older_records_have_none(make_record: Make) -> None:
    right = np.arange(1000) < 950
    one, other = ({"left": CorrectRows.pack(bits)} for bits in (right, right[::-1]))
    stored = make_record("hard", 0, {"left": 95.0}, correct_rows=one)
    older = make_record("hard", 0, {"left": 95.0})
    for record, rows, words in (
        (stored, one, "equal digit for digit"),
        (stored, other, "differs in correct_rows"),
        (older, other, "equal digit for digit"),
    ):
        fresh = record.model_copy(update={"correct_rows": rows, "created": "later"}).seal()
        [outcome] = compare_reruns([record], {record.run_id: fresh}, {}, [record])
        assert words in outcome.sentence


def test_a_rerun_that_is_the_stored_file_is_none(make_record: Make) -> None:
    """Code that finds the record it should come out with, and hands it back."""
    record = make_record("hard", 0, created="2026-01-01T00:00:00+00:00")
    [outcome] = compare_reruns([record], {record.run_id: record}, {}, [record])
    assert outcome.agrees is False
    assert "the stored record itself" in outcome.sentence


@cache
def committed() -> list[ResultRecord]:
    """The plain committed runs of MultiDigits under protocol 1, of which some were made again elsewhere."""
    records = [record for record in read_committed_suite("multidigits") if record.spec.protocol.version == 1]
    return [record for record in records if not record.spec.overrides and not record.spec.tuning]


def ran_again(record: ResultRecord) -> ResultRecord:
    """The committed cell with the scores that came out on the other machine."""
    known = AGAIN[record.method][str(record.spec.seed)]
    scores = {rule: {task: {"accuracy": x} for task, x in tasks.items()} for rule, tasks in known.items()}
    return record.model_copy(update={"scores": scores, "environment": ELSEWHERE, "digest": "another"})


def lifted(record: ResultRecord, points: float) -> ResultRecord:
    """The cell with every accuracy raised."""
    scores = {
        rule: {task: {"accuracy": min(m["accuracy"] + points, 100.0)} for task, m in tasks.items()}
        for rule, tasks in record.scores.items()
    }
    return record.model_copy(update={"scores": scores})


def verdicts(method: str, points: float, count: int) -> list[bool | None]:
    """What is said of the first `count` cells of a method, all of whose stored accuracies were raised."""
    others = [record for record in committed() if record.method != method]
    row = sorted((r for r in committed() if r.method == method), key=lambda record: record.spec.seed)
    stored = [lifted(record, points) for record in row]
    again = {record.run_id: ran_again(record) for record in row}
    return [outcome.agrees for outcome in compare_reruns(stored[:count], again, {}, [*others, *stored])]


@pytest.mark.parametrize("method", ["hard", "single_task", "cross_stitch"])
def test_honest_cells_of_two_machines_agree_and_lifted_ones_do_not(method: str) -> None:
    for count in (1, 2, 3, 10):
        assert verdicts(method, 0, count) == [True] * count
    for points, count in ((8, 1), (5, 2), (4, 3), (1, 10), (2, 10), (4, 10), (8, 10), (-2, 10)):
        assert verdicts(method, points, count) == [False] * count, (points, count)


def test_one_lifted_cell_among_honest_ones_is_named() -> None:
    row = sorted((r for r in committed() if r.method == "hard"), key=lambda record: record.spec.seed)
    stored = [lifted(row[0], 8), *row[1:]]
    outcomes = compare_reruns(stored, {record.run_id: ran_again(record) for record in row}, {}, [*committed(), *stored])
    assert [outcome.stored.spec.seed for outcome in outcomes if outcome.agrees is False] == [0]


def test_without_what_honest_pairs_have_it_is_the_paired_t_test(
    make_record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    before, after = (np.round(generator.normal(90, 1, size=6), 2) for _ in range(2))
    pairs = [
        RunPair(make_record("hard", seed, {"left": a}), make_record("hard", seed, {"left": b}))
        for seed, (a, b) in enumerate(zip(before, after, strict=True))
    ]
    known = [pair.stored for pair in pairs]
    monkeypatch.setattr("leaderboard.trust.paired_tests.NU", 0)
    joint = next(test for test in run_paired_tests(pairs, known) if len(test.cells) == 6)
    assert joint.p == pytest.approx(stats.ttest_rel(before, after).pvalue)
    monkeypatch.undo()
    prior, spread = RATIO * float(np.std(before, ddof=1)), before - after
    variance = (NU * prior**2 + float(((spread - spread.mean()) ** 2).sum())) / (NU + 5)
    joint = next(test for test in run_paired_tests(pairs, known) if len(test.cells) == 6)
    assert joint.p == pytest.approx(2 * stats.t.sf(abs(spread.mean()) / math.sqrt(variance / 6), NU + 5))


def scored(record: ResultRecord, accuracy: float) -> ResultRecord:
    """The run with one score."""
    return record.model_copy(update={"scores": {"val": {"left": {"accuracy": accuracy}}}})


def test_false_alarms_are_rare_where_machines_differ_almost_as_much_as_seeds(make_record: Make) -> None:
    generator = np.random.default_rng(0)
    row = [make_record("hard", seed, {"left": x}) for seed, x in enumerate(np.round(generator.normal(90, 1, 10), 2))]
    for count in (1, 3, 10):
        alarms = 0
        for _ in range(100):
            noise = np.round(generator.normal(0, RATIO, count), 2)
            pairs = [
                RunPair(scored(record, 90.0 + x), scored(record, 90.0))
                for record, x in zip(row[:count], noise, strict=True)
            ]
            tests = run_paired_tests(pairs, row)
            alarms += min(test.p for test in tests) * len(tests) <= 0.05
        assert alarms <= 12  # of 100, at level 0.05: 2 in 1,000 by chance


def test_who_makes_numbers_up_cannot_make_the_noise_large(make_record: Make) -> None:
    wild = [make_record("mine", seed, {"left": x}) for seed, x in enumerate([50.0, 70.0, 90.0])]
    calm = [make_record(name, seed, {"left": 90.0 + seed}) for name in ("a", "b", "c") for seed in range(3)]
    name = "left accuracy (val)"
    assert estimate_seed_spread(wild)(wild[0])[name] == pytest.approx(20.0)
    assert estimate_seed_spread([*wild, *calm])(wild[0])[name] == pytest.approx(2.0)
    flat = [make_record("mine", seed, {"left": 90.0}) for seed in range(3)]
    assert estimate_seed_spread([*flat, *calm])(flat[0])[name] == pytest.approx(1.0)
    alone = make_record("mine", 7, {"left": 90.0})
    assert estimate_seed_spread([alone, *calm])(alone)[name] == pytest.approx(1.0)
    assert estimate_seed_spread([alone])(alone) == {}


def test_other_settings_versions_and_trials_say_nothing_of_a_rows_noise(make_record: Make) -> None:
    row = [make_record("hard", seed, {"left": score}) for seed, score in enumerate([95.0, 95.4, 94.8])]
    others = [
        make_record("hard", 5, {"left": 10.0}, changed={"lr": 0.2}),
        make_record("hard", 5, {"left": 10.0}, versions={"suite/toy": 2}),
        make_record("soft", 5, {"left": 10.0}),
    ]
    tuning = Tuning(of="hard", trial=0, stage="trial")
    spec = row[0].spec.vary(seed=1000, tuning=tuning)
    trial = row[0].model_copy(update={"spec": spec, "run_id": spec.run_id, "scores": {}, "statistics": {}})
    fresh = make_record("hard", 0, {"left": 99.0}, environment=ELSEWHERE)
    [outcome] = compare_reruns(row[:1], {row[0].run_id: fresh}, {}, [*others, trial, *row])
    assert outcome.sentence == "beyond what another kind of machine changes: " + "; ".join(
        f"left accuracy ({rule}) 95, again 99" for rule in ("val", "per_task", "last")
    )
    again = trial.model_copy(update={"validation": {"left": 0.5}, "environment": ELSEWHERE})
    [outcome] = compare_reruns([trial], {trial.run_id: again.seal()}, {}, [trial])
    assert (outcome.agrees, outcome.sentence[:10]) == (None, "not judged")


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ({"parameters": 12}, "cost.parameters: stored 12, again 6,548"),
        ({"forward_flops": 34}, "cost.forward_flops: stored 34, again 114,176"),
        ({"step_ms": 0.001}, "cost.step_ms: stored 0.001, again 2, more than 100 times as much"),
        ({"train_seconds": 0.05}, "cost.train_seconds: stored 0.05, again 6, more than 100 times"),
        ({"peak_memory_mb": 1.0}, "cost.peak_memory_mb: stored 1, again 500, more than 5 times"),
        ({"step_ms": 0.2, "train_seconds": 60.0}, ""),
    ],
)
@pytest.mark.parametrize("hardware", ["cpu: A", "cpu: B"])
def test_costs_that_cannot_be_are_named_on_every_machine(
    make_record: Make, claim: dict[str, Any], words: str, hardware: str
) -> None:
    stored = make_record("hard", 0, cost=COST.model_copy(update=claim | {"hardware": hardware}))
    fresh = make_record("hard", 0, cost=COST)
    [outcome] = compare_reruns([stored], {stored.run_id: fresh}, {}, [stored])
    assert outcome.agrees is not bool(words)
    assert outcome.sentence.startswith(words or "equal digit for digit")


LEARNED = {
    "effective_sharing": {"0.weight": 0.6},
    "cosines": Packed.pack(np.array([[1.0, 0.2], [0.2, 1.0]])),
    "matrices": {"units": Packed.pack(np.array([[0.9, 0.1], [0.1, 0.9]]))},
}
FORGED = {
    "effective_sharing": {"0.weight": 1.0},
    "cosines": Packed.pack(np.ones((2, 2))),
    "matrices": {"units": Packed.pack(np.eye(2) * 3)},
}
ROUNDED = {
    "effective_sharing": {"0.weight": 0.62},
    "cosines": Packed.pack(np.array([[1.0, 0.22], [0.22, 1.0]])),
    "matrices": {"units": Packed.pack(np.array([[0.91, 0.12], [0.1, 0.9]]))},
}


@pytest.mark.parametrize("name", LEARNED)
def test_what_was_learned_is_compared_too(make_record: Make, name: str) -> None:
    row = [make_record("hard", seed, {"left": score}) for seed, score in enumerate([95.0, 95.4, 94.8])]

    def said(stored: dict[str, Any], environment: dict[str, str]) -> tuple[bool | None, str]:
        record = make_record("hard", 0, {"left": 95.0}, **{name: stored[name]})
        fresh = make_record("hard", 0, {"left": 95.0}, environment=environment, **{name: LEARNED[name]})
        [outcome] = compare_reruns([record], {record.run_id: fresh}, {}, row)
        return outcome.agrees, outcome.sentence

    assert said(LEARNED, {"torch": "1"}) == (True, "equal digit for digit")
    assert said(ROUNDED, {"torch": "1"}) == (True, "within what another kind of machine changes")
    assert said(ROUNDED, {}) == (False, f"differs in {name} on the same kind of processor and versions")
    agrees, sentence = said(FORGED, {"torch": "1"})
    assert agrees is False
    assert "from what came out again, more than" in sentence


def test_processors_of_one_name_may_differ_in_the_last_digits(make_record: Make) -> None:
    def said(factor: float) -> str:
        stored = make_record("hard", 0, curves=Curves(train_loss={"left": [3.0, 2.0 * factor], "right": [1.0, 0.5]}))
        fresh = make_record("hard", 0, curves=Curves(train_loss={"left": [3.0, 2.0], "right": [1.0, 0.5]}))
        [outcome] = compare_reruns([stored], {stored.run_id: fresh}, {}, [stored])
        return outcome.sentence

    assert said(1 + 1e-13) == "equal but for rounding, below 1e-10 of every number"
    assert said(1 + 1e-9) == "differs in curves on the same kind of processor and versions"


def test_what_older_records_had_not_is_not_missed(make_record: Make) -> None:
    stored, fresh = make_record("hard", 0), make_record("hard", 0, **LEARNED | {"matrices": {}})
    [outcome] = compare_reruns([stored], {stored.run_id: fresh}, {}, [stored])
    assert outcome.sentence == "equal digit for digit"
