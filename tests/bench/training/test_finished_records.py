"""What ends in a record: sound fields, failures in a sentence, and what clipping and prox leave."""

import platform
import re
import socket
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.catalogue.method import Method
from bench.core.sharing import ParameterGroup
from bench.errors import Diverged
from bench.planning.plan import parse_suite, plan
from bench.records import ResultRecord
from bench.scores import score
from bench.sharing.independent import Soft
from bench.training.batches import Batches
from bench.training.environment import strip_paths
from bench.training.evaluate import evaluate
from bench.training.fit import Run, fit
from bench.training.trainer import train
from bench.training.watch import TrainingMonitor
from tests.bench.training.specified import specify
from tests.conftest import make_run, train_run


def strings(value: Any) -> Iterator[str]:
    """Every text inside nested dicts and lists, keys too; packed arrays left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            if key != "float16":
                yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def private(record: ResultRecord) -> list[str]:
    """Texts of a record with an absolute path, or the name of this machine."""
    hosts = {socket.gethostname(), platform.node(), socket.getfqdn()} - {"", "localhost"}
    path = re.compile(r"(?<![\w.])/\w|[A-Za-z]:\\")
    return [
        text
        for text in strings(record.model_dump(mode="json"))
        if path.search(text) or any(re.search(rf"\b{re.escape(host)}\b", text) for host in hosts)
    ]


@pytest.mark.parametrize("method", ["single_task", "cross_stitch:warm=0.5", "soft+l2:form=offset", "hard@uncertainty"])
@pytest.mark.parametrize("suite", ["synthetic:tasks=3", "synthetic:inputs=own,tasks=2"])
def test_a_finished_record_is_sound(method: str, suite: str, tmp_path: Path) -> None:
    spec = specify(method, suite)
    record = fit(spec, data_dir=tmp_path)
    assert (record.status, record.error) == ("done", None)
    assert record.find_problems() == []
    again = ResultRecord.model_validate_json(record.model_dump_json())
    assert again == record
    assert again.find_problems() == []
    assert private(record) == []
    assert (record.run_id, record.spec) == (spec.run_id, spec)
    assert record.suite == suite
    assert record.method == Method.parse(method).short
    assert record.curves.train_loss.keys() == record.curves.val.keys() == set(record.tasks)
    assert all(len(losses) == 2 for losses in record.curves.train_loss.values())
    assert record.cost is not None
    assert record.cost.parameters == sum(p.numel() for p in make_run(method, suite).model.parameters())
    assert len(record.model_dump_json()) < 64 * 1024


def test_curves_stop_at_ten_tasks() -> None:
    ten, eleven = (fit(specify("hard", f"synthetic:tasks={n}", epochs="1", steps_per_epoch="1")) for n in (10, 11))
    assert len(ten.curves.val) == 10
    assert eleven.curves.val == eleven.curves.train_loss == {}
    assert len(eleven.scores["val"]) == 11


def test_shuffled_targets_reach_training_alone() -> None:
    """Separate models: the shuffled task learns something else, the other is what it was, digit for digit."""
    settings = {"epochs": "2", "steps_per_epoch": "8"}
    plain, other = (
        fit(plan("synthetic:tasks=2", ["single_task"], [0], settings | more, "cpu")[0])
        for more in ({}, {"shuffled": "task01"})
    )
    assert other.spec.overrides["shuffled"] == "task01"
    assert other.scores["last"]["task00"] == plain.scores["last"]["task00"]
    assert other.scores["last"]["task01"] != plain.scores["last"]["task01"]
    assert other.statistics["last"]["task01"]["count"] == plain.statistics["last"]["task01"]["count"]


def test_a_diverged_run_is_a_failed_record() -> None:
    spec = specify("hard", optimiser="sgd", lr="1e12")
    record = fit(spec)
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.type == "Diverged"
    assert re.fullmatch(
        r"The training loss of `task0\d`(, `task0\d`)* stopped being finite in epoch \d\.", record.error.message
    )
    assert (record.statistics, record.scores, record.selection, record.cost) == ({}, {}, {}, None)
    assert (record.run_id, record.spec, record.suite, record.method) == (spec.run_id, spec, "synthetic:tasks=3", "hard")
    assert record.environment["torch"] == version("torch")
    assert record.find_problems() == []
    assert ResultRecord.model_validate_json(record.model_dump_json()).find_problems() == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("no path at all", "no path at all"),
        ("cannot open '/a/b/c.npy'", "cannot open 'c.npy'"),
        ('File "/a/b/c.py", line 3', 'File "c.py", line 3'),
        ("file:///a/b.txt and /tmp", "file://b.txt and tmp"),
        ("3 km/h, and/or, 1/2", "3 km/h, and/or, 1/2"),
        ("root=/a/b;next=/c", "root=b;next=c"),
    ],
)
def test_paths_are_cut_to_their_last_part(text: str, kept: str) -> None:
    assert strip_paths(text) == kept


@pytest.mark.parametrize(
    "method", ["single_task", "hard", "cross_stitch:own=0,rate=0,warm=0.5", "single_task:warm=0.5"]
)
def test_a_kept_epoch_scores_as_it_did_when_it_was_selected(method: str) -> None:
    """Also where it lies in an earlier phase, in which the method uses its weights in another way."""
    spec = specify(method, epochs="4")
    _, suite = parse_suite(spec.suite)
    run = Run(spec, suite, Method.parse(spec.method))
    val = run.data("val")
    watch = TrainingMonitor(run.module, val)
    train(run.module, Batches(run.data("train"), run.protocol, spec.seed), watch)
    curves = watch.curves().val
    chosen = watch.selector.choose_epochs()
    assert chosen["last"]["task00"] == 4
    for epochs in chosen.values():
        for task, epoch in epochs.items():
            kept = watch.selector.snapshot(epoch)
            run.model.load_state_dict(kept.weights)
            found = score("regression", evaluate([(run.model, kept.state)], val)[task])["rmse"]
            assert found == pytest.approx(curves[task]["rmse"][epoch - 1], abs=1e-6)


def test_predictions_that_are_not_finite_are_a_failure() -> None:
    run = make_run("hard")
    with torch.no_grad():
        run.model.heads["task01"].weight.fill_(torch.inf)  # type: ignore[union-attr,operator]
    with pytest.raises(Diverged, match="predictions of `task01`"):
        evaluate([(run.model, run.module.state)], run.data("val"))


def test_separate_models_are_clipped_apart_and_joint_ones_together() -> None:
    for method, norms in (("single_task", [0.5, 0.5, 0.5]), ("hard", None)):
        run = make_run(method, clip_norm="0.5")
        for parameter in run.model.parameters():
            parameter.grad = torch.full_like(parameter, 3.0)
        run.module.configure_gradient_clipping(None, 0.5)
        gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
        if norms is None:
            assert float(torch.cat([g.flatten() for g in gradients]).norm()) == pytest.approx(0.5, rel=1e-5)
            continue
        parts = run.model.separate_parameters()
        assert sum(map(len, parts)) == len(gradients)
        found = [float(torch.cat([p.grad.flatten() for p in part if p.grad is not None]).norm()) for part in parts]
        assert found == pytest.approx(norms, rel=1e-5)


def test_the_prox_steps_with_the_rate_of_its_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Soft, "parameter_groups", lambda self, _: [ParameterGroup(list(self.parameters()), lr_factor=0.5)]
    )
    run = make_run("soft+l2", epochs="1", steps_per_epoch="1")
    steps: list[float] = []
    for held in run.model.held:
        monkeypatch.setattr(held, "apply_prox", lambda step, progress: steps.append(step))
    train_run(run)
    assert steps == pytest.approx([0.5 * run.protocol.lr] * len(run.model.held))
