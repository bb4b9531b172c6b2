"""`multilabel`: labels are what the formula says, dials move what they name only, and the best can be reached."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from bench.cli.main import main
from bench.errors import UsageError
from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit
from suites.multilabel import LabelSets
from suites.multilabel.suite import best_subset_accuracy, least_hamming_loss


def labels(suite: LabelSets, split: str = "train", seed: int = 0) -> np.ndarray:
    rows = suite.dataset(split, seed)  # type: ignore[arg-type]
    return torch.cat([rows.targets[name] for name in suite.names], dim=1).numpy()


def leftover(suite: LabelSets) -> np.ndarray:
    """Labels less their probabilities, over their deviation: mean 0 and variance 1 where probabilities are right."""
    x = suite.dataset("train", 0).inputs[suite.names[0]].double().numpy()
    p = suite.truth(0).probabilities(x)
    keep = (np.minimum(p, 1 - p) > 0.05).all(axis=1)
    return np.asarray(((labels(suite) - p) / np.sqrt(p * (1 - p)))[keep])


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_a_label_has_the_same_probability_at_every_correlation(correlation: float) -> None:
    suite = LabelSets(tasks=3, train=20_000, noise=0.5, correlation=correlation)
    x = suite.dataset("train", 0).inputs["label01"].double().numpy()
    truth = suite.truth(0)
    clean = np.stack([np.tanh(2 * x @ w.T) @ a for w, a in zip(truth.directions, truth.weights, strict=True)], axis=1)
    np.testing.assert_allclose(truth.probabilities(x), ndtr(clean / 0.5), atol=1e-12)
    left = leftover(suite)
    np.testing.assert_allclose(left.mean(axis=0), 0, atol=0.04)
    np.testing.assert_allclose(left.var(axis=0), 1, atol=0.06)


def test_the_ends_of_the_correlation() -> None:
    def between(correlation: float) -> float:
        """The mean correlation of what labels have beside their probabilities."""
        matrix = np.corrcoef(leftover(LabelSets(tasks=3, train=20_000, noise=0.5, correlation=correlation)).T)
        return float(matrix[np.triu_indices(3, 1)].mean())

    none, half, full = between(0.0), between(0.5), between(1.0)
    assert abs(none) < 0.03
    assert none + 0.1 < half < full - 0.1
    # At 1 one number decides: of two labels, the one that is likelier is there wherever the other is.
    suite = LabelSets(tasks=3, train=2000, correlation=1.0)
    p = suite.truth(0).probabilities(suite.dataset("train", 0).inputs["label01"].double().numpy())
    y = labels(suite) > 0.5
    for a, b in itertools.permutations(range(3), 2):
        assert not (y[:, b] & ~y[:, a])[p[:, a] > p[:, b]].any()


def test_dials_leave_what_they_do_not_name() -> None:
    plain, other, apart = LabelSets(), LabelSets(correlation=1.0), LabelSets(relation=0.0)
    for suite in (other, apart):
        assert torch.equal(suite.dataset("val", 3).inputs["label01"], plain.dataset("val", 3).inputs["label01"])
        assert not np.array_equal(labels(suite, seed=3), labels(plain, seed=3))
    np.testing.assert_array_equal(other.truth(3).directions, plain.truth(3).directions)
    assert np.allclose(plain.truth(3).directions, plain.truth(3).directions[:1])
    assert not np.allclose(apart.truth(3).directions[0], apart.truth(3).directions[1])
    np.testing.assert_array_equal(labels(LabelSets(tasks=12), seed=3)[:, :8], labels(plain, seed=3))


def test_splits_seeds_and_sealed_draws_are_of_their_own() -> None:
    suite = LabelSets(tasks=64)
    drawn = [suite.dataset("val", 0), suite.dataset("test", 0), suite.dataset("test", 1), suite.sealed(0, 1)]
    assert len({float(rows.inputs["label01"][0, 0]) for rows in drawn}) == 4
    assert len(drawn[0].groups) == 1
    assert torch.equal(LabelSets(tasks=64).dataset("test", 1).inputs["label01"], drawn[2].inputs["label01"])


def test_the_best_is_that_of_all_subsets_one_by_one() -> None:
    p = np.random.default_rng(0).uniform(size=(40, 4))
    subsets = np.array(list(itertools.product([0, 1], repeat=4)))
    independent = np.where(subsets, p[:, None], 1 - p[:, None]).prod(axis=2)
    # With one number u in [0, 1] in common, labels with p > u are there.
    u = (np.arange(20_000) + 0.5) / 20_000
    codes = ((p[:, None] > u[:, None]) * 2 ** np.arange(4)).sum(axis=2)
    common = [np.bincount(row).max() / len(u) for row in codes]
    assert best_subset_accuracy(p, 0.0) == pytest.approx(independent.max(axis=1).mean(), rel=1e-12)
    assert best_subset_accuracy(p, 1.0) == pytest.approx(np.mean(common), abs=1e-3)
    assert least_hamming_loss(p) == pytest.approx(float(np.minimum(p, 1 - p).mean()))
    with pytest.raises(ValueError, match=r"0 or 1, where the best is known\. Found 0\.5"):
        best_subset_accuracy(p, 0.5)


@pytest.mark.parametrize("correlation", ["0.0", "1.0"])
def test_the_truth_itself_scores_as_the_best(correlation: str) -> None:
    """Whoever knew the probabilities would have the accuracy, and at 0 the subset accuracy, that are said."""
    suite = LabelSets(tasks=4, train=20_000, correlation=float(correlation))
    p = suite.truth(0).probabilities(suite.dataset("train", 0).inputs["label01"].double().numpy())
    right = (p > 0.5) == (labels(suite) > 0.5)
    assert float(right.mean()) == pytest.approx(1 - least_hamming_loss(p), abs=0.005)
    best = best_subset_accuracy(p, float(correlation))
    assert float(right.all(axis=1).mean()) <= best + 0.01
    if correlation == "0.0":
        assert float(right.all(axis=1).mean()) == pytest.approx(best, abs=0.01)


def test_a_run_is_scored_over_all_labels() -> None:
    short = {"epochs": "2", "steps_per_epoch": "3"}
    for method in ("single_task", "hard"):
        [spec] = plan("multilabel:tasks=3,train=16", [method], [0], short)
        record = fit(spec)
        assert record.status == "done", record.error
        assert record.find_problems() == []
        assert record.tasks == ["labels"]
        assert set(record.scores["val"]["labels"]) == {
            *("accuracy", "macro_f1", "micro_f1", "ranking_loss", "subset_accuracy"),
        }
        assert record.statistics["val"]["labels"]["rows"] == 1000
    [alone] = plan("multilabel:tasks=3,train=16", ["single_task"], [0], short | {"tasks": "label02"})
    record = fit(alone)
    assert record.find_problems() == []
    assert list(record.scores["val"]) == ["label02"]


def test_the_suite_keeps_its_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "multilabel"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("text", ["multilabel:correlation=2", "multilabel:tasks=65", "multilabel:relation=-1"])
def test_bad_dials_are_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=text.partition(":")[2].partition("=")[0]):
        parse_suite(text)


def test_records_of_labels_scored_together_are_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """More tasks are trained than are scored: curves of losses and cosines of gradients are of the former."""
    store = str(tmp_path / "runs")
    small = ["--set", "epochs=2", "--store", store]
    assert main(["run", "multilabel:tasks=3,train=64", "hard", *small]) == 0
    capsys.readouterr()
    assert main(["verify", store]) == 0
    assert "1 record valid, 0 not." in capsys.readouterr().out
