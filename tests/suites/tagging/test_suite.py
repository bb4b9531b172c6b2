"""The suite: rows of its tasks, what dials leave as it is, losses and scores that do not see padding."""

import numpy as np
import pytest
import torch
from torch import nn

from bench.catalogue.method import Method
from bench.core.state import TrainState
from bench.errors import UsageError
from bench.planning.plan import parse_suite, plan
from bench.scores import primary_error
from bench.training.evaluate import evaluate
from bench.training.fit import Run, fit
from suites._shared.tagging.tags import list_spans
from suites._shared.tagging.tasks import ranking_loss, tag_loss
from suites.tagging.generate import CONTROL, LONGEST, TAG_SETS, TAG_TASKS
from suites.tagging.rows import TEXT
from suites.tagging.suite import Tagging


def test_rows() -> None:
    suite = Tagging(train=50, extra="both")
    assert [task.name for task in suite.tasks] == [*TAG_TASKS, "control", "language"]
    assert suite.protocol.splits == {"train": 50 * 9, "val": 250 * 9, "test": 1000 * 9}
    assert suite.protocol.metrics["pos"] == "tokens"
    assert {suite.protocol.metrics[task] for task in ("chunk", "ner", "srl")} == {"spans"}
    data = suite.dataset("train", 0)
    assert data.rows == suite.protocol.splits["train"]
    for task in suite.tasks:
        x, y = data.inputs[task.name], data.targets[task.name]
        assert x.shape == (50 * (TEXT if task.name == "language" else 1), *suite.input_shape)
        assert y.shape == (len(x), *[1] * (task.name == "language"), LONGEST)
        assert 0 <= x.min() <= x.max() < 1
        words = x[:, 0] > 0
        assert (x[~words.unsqueeze(1).expand_as(x)] == 0).all()
        if task.name in TAG_SETS:
            assert torch.equal(words, y >= 0)
            assert int(y.max()) < len(TAG_SETS[task.name].tags)


def test_rows_follow_from_the_seed() -> None:
    first, again, other = (Tagging(train=50).dataset("test", seed) for seed in (0, 0, 1))
    assert all(torch.equal(first.inputs[task], again.inputs[task]) for task in TAG_TASKS)
    assert not torch.equal(first.inputs["pos"], other.inputs["pos"])
    assert not torch.equal(first.targets["pos"], first.targets["chunk"])
    suite = Tagging(train=50)
    assert not torch.equal(suite.sealed(0, 7).inputs["pos"], suite.sealed(0, 8).inputs["pos"])


def test_relatedness_leaves_labels_and_least_errors() -> None:
    apart, related = Tagging(train=50, relatedness=0.0), Tagging(train=50)
    a, b = apart.dataset("test", 2), related.dataset("test", 2)
    assert all(torch.equal(a.targets[task], b.targets[task]) for task in TAG_TASKS)
    assert not any(torch.equal(a.inputs[task], b.inputs[task]) for task in TAG_TASKS)
    assert apart.bound_errors(2) == pytest.approx(related.bound_errors(2))
    assert apart.checksums() != related.checksums()


def test_no_sentence_of_a_split_is_in_one_before_it() -> None:
    suite = Tagging(train=3000)  # short sentences come again often among so many
    before: set[bytes] = set()
    for split in ("train", "val", "test"):
        data = suite.dataset(split, 0)  # type: ignore[arg-type]
        looks = {row.numpy().tobytes() for task in TAG_TASKS for row in data.inputs[task]}
        assert not looks & before
        before |= looks
    sealed = suite.sealed(0, 1)
    assert not {row.numpy().tobytes() for task in TAG_TASKS for row in sealed.inputs[task]} & before


def test_the_control_follows_from_the_word_alone() -> None:
    data = Tagging(train=200, extra="control").dataset("train", 0)
    words, tags = data.inputs["control"][:, 0], data.targets["control"]
    pairs = set(zip(words[tags >= 0].tolist(), tags[tags >= 0].tolist(), strict=True))
    assert len(pairs) == len({word for word, _ in pairs})
    assert {tag for _, tag in pairs} == set(range(CONTROL))
    assert (tags[words == 0] == -1).all()


def test_language_ranks_words_that_were_not_replaced() -> None:
    suite = Tagging(train=100, extra="language")
    targets = suite.dataset("train", 0).targets["language"][:, 0]
    false = targets == 0
    assert (false.sum(dim=1) == 1).all()
    at = false.int().argmax(dim=1)
    distance = (torch.arange(LONGEST) - at[:, None]).abs()
    assert (distance[targets == 1] > suite.window // 2).all()


def test_losses_do_not_see_places_without_a_word() -> None:
    """Poisoned logits there change neither the loss nor any gradient, and a row twice as long has the same loss."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 6, generator=generator, dtype=torch.float64)
    target = torch.randint(5, (3, 6), generator=generator).masked_fill(
        torch.arange(6) >= torch.tensor([[6], [2], [4]]), -1
    )
    poison = torch.where(target[:, None] < 0, 1e30, logits).requires_grad_()
    plain = logits.clone().requires_grad_()
    for loss, z in ((tag_loss, slice(None)), (ranking_loss, slice(0, 1))):
        y = target.clamp(max=1) if loss is ranking_loss else target
        a, b = loss(plain[:, z], y), loss(poison[:, z], y)
        assert a == b
        grads = torch.autograd.grad(a, plain)[0], torch.autograd.grad(b, poison)[0]
        assert torch.equal(*grads)
        assert not grads[0].transpose(1, 2)[target < 0].any()
        wider = nn.functional.pad(plain[:, z], (0, 6), value=3.0)
        longer = loss(wider, nn.functional.pad(y, (0, 6), value=-1))
        assert torch.allclose(longer, a)
        assert loss(plain[:, z], torch.full_like(y, -1)) == 0
    words = target >= 0
    by_hand = nn.functional.cross_entropy(logits.transpose(1, 2)[words], target[words])
    assert torch.allclose(tag_loss(logits, target), by_hand)


def test_further_tasks_are_trained_and_scored() -> None:
    settings = {"epochs": "1", "steps_per_epoch": "3"}
    [spec] = plan("tagging:train=50,extra=both", ["hard"], [0], settings, device="cpu")
    record = fit(spec)
    assert record.status == "done", record.error
    assert not record.seal().find_problems()  # it could be stored
    targets = parse_suite(spec.suite, None)[1].dataset("test", 0).targets["language"]
    assert record.statistics["val"]["language"]["truth"] == [0, int((targets == 1).sum())]
    assert 0 < record.scores["val"]["control"]["accuracy"] < 50


def test_ranking_loss_against_all_pairs() -> None:
    f, y = (
        torch.tensor([[[0.3, -1.0, 2.0, 0.1]], [[0.7, 0.0, 9.0, 0.2]]]),
        torch.tensor([[1, 0, -1, 1], [0, 1, -1, -1]]),
    )
    true, false = [0.3, 0.1, 0.0], [-1.0, 0.7]
    pairs = [max(0.0, 1 - a + b) for a in true for b in false]
    assert float(ranking_loss(f, y)) == pytest.approx(sum(pairs) / len(pairs))


@pytest.fixture(scope="module")
def run() -> Run:
    """A fresh network with its rows."""
    [spec] = plan("tagging:train=50", ["hard"], [0], {"epochs": "1", "steps_per_epoch": "1"}, device="cpu")
    suite = parse_suite(spec.suite, None)[1]
    return Run(spec, suite, Method.parse(spec.method))


def test_scores_do_not_depend_on_the_rows_of_a_pass(run: Run) -> None:
    rows = run.data("val")
    model = [(run.model, TrainState(1, "train", 1))]
    whole = evaluate(model, rows)
    assert evaluate(model, rows, rows=7) == whole
    longer = nn.functional.pad(rows.inputs["ner"], (0, 9))
    stage_by_stage = [longer]
    for stage in run.model.sharing.trunk:  # type: ignore[union-attr]
        stage_by_stage.append(stage(stage_by_stage[-1]))  # type: ignore[operator]
    logits = run.model.heads["ner"](stage_by_stage[-1]).argmax(dim=1)[:, :LONGEST]  # type: ignore[index, operator]
    targets = rows.targets["ner"]
    found = sum(len(list_spans(np.where(t < 0, -1, p))) for t, p in zip(targets.numpy(), logits.numpy(), strict=True))
    assert found == sum(whole["ner"]["predicted"])  # type: ignore[arg-type]


def test_a_window_is_odd() -> None:
    with pytest.raises(UsageError, match="`window` should be odd"):
        parse_suite("tagging:window=4", None)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["tagging:train=4000,network=transformer", "tagging:train=2000,gazetteer=1.0"])
def test_no_model_is_below_the_least_error(text: str) -> None:
    """After training on many sentences: no error below its bound by more than four standard errors of a share."""
    [spec] = plan(text, ["hard"], [0], {"epochs": "10", "steps_per_epoch": "100"}, device="cpu")
    record, suite = fit(spec), parse_suite(spec.suite, None)[1]
    bounds = suite.bound_errors(0)  # type: ignore[attr-defined]
    for task, statistics in record.statistics["val"].items():
        error, count = primary_error(suite.protocol.metrics[task], statistics), sum(statistics["truth"])  # type: ignore[arg-type]
        slack = 4 * np.sqrt(max(bounds[task], 1 / count) / count)
        assert error > bounds[task] - slack
    assert primary_error("tokens", record.statistics["val"]["pos"]) < 0.02
