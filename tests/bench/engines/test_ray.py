"""Cells on a Ray cluster: two nodes on this machine, one of which is lost in the middle of a table."""

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from bench.cli.main import main
from bench.engines import Ended, Progressed
from bench.errors import UsageError
from bench.execution.portable_cell import SentCell
from bench.records import RunSpec
from bench.system.files import write_whole
from leaderboard.store import Store
from tests.bench.execution.tables import METHODS, TINY, cell, table, tiny

ray = pytest.importorskip("ray", reason="`pip install 'mtlbench[ray]'` brings it")
from ray.cluster_utils import Cluster  # noqa: E402

from bench.engines.ray import Ray  # noqa: E402

BROKEN = TINY.with_name("broken.py")
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


@dataclass(frozen=True)
class Seen:
    """A cell that leaves word of the node where it begins, and goes on when the awaited node has begun one, too."""

    cell: SentCell
    root: Path
    modules: ClassVar[tuple[str, ...]] = ()

    def needs(self, spec):
        return self.cell.needs(spec)

    def make(self, spec, on_epoch):
        node = ray.get_runtime_context().get_node_id()
        (self.root / "word" / f"{spec.run_id}.{node}").touch()
        with suppress(FileNotFoundError):
            while (self.root / "awaited").read_text() != node:  # one that is new begins late
                time.sleep(0.02)
        time.sleep(0.3)  # so that one is running whenever another ends
        made = self.cell.make(spec, on_epoch)
        (self.root / "word" / f"{spec.run_id}.{node}").write_text("made")
        return made

    def keep(self, made):
        return self.cell.keep(made)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test
    made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    yield made
    made.shutdown()


def test_a_lost_node_loses_nothing_and_a_stop_ends_everything(cluster: Cluster, tmp_path: Path) -> None:
    """Most of the time goes into imports of fresh workers: hence two laws under one connection."""
    with Ray(cluster.address) as engine:
        fill_among_losses(cluster, engine, tmp_path, seeds=2, losses=1)
        assert table(tmp_path / "store") == table(tmp_path / "undisturbed")
        specs = tiny(seeds=40)
        stop_after_one(engine, specs, tmp_path / "stopped")
        assert ray.available_resources()["CPU"] == 1  # what waited and what ran has ended
        assert 1 <= len(Store(tmp_path / "stopped").read().records) < len(specs)
        assert table(tmp_path / "stopped")  # of whole records


@pytest.mark.chaos
def test_a_table_of_forty_cells_survives_five_lost_nodes(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.engines.ray.RETRIES", 5)  # one cell may have the bad luck of all
    with Ray(cluster.address) as engine:
        fill_among_losses(cluster, engine, tmp_path, seeds=10, losses=5)
    assert table(tmp_path / "store") == table(tmp_path / "undisturbed")


def fill_among_losses(cluster: Cluster, engine: Ray, root: Path, seeds: int, losses: int) -> None:
    """Cells run on two nodes, one of which dies with a cell that runs, and another comes, `losses` times.

    Leaves the stores `store` and, filled without an engine, `undisturbed`.
    """
    specs, word = tiny(seeds), root / "word"
    word.mkdir()
    for spec in specs:
        assert cell(root / "undisturbed")(spec, lambda *_: None) == "done"
    node, victims, ended = cluster.add_node(**NODE), list[str](), set[str]()
    assert engine.width(specs) == 2
    for event in engine.run_cells(specs, Seen(SentCell.of(cell(root / "store")), root)):
        if isinstance(event, Progressed):
            assert 1 <= event.done <= event.epochs == 3
            continue
        assert (event.status, event.error) == ("done", None)
        assert event.spec.run_id not in ended
        ended.add(event.spec.run_id)
        if len(victims) < losses and len(ended) > len(victims):
            write_whole(root / "awaited", node.node_id)
            while not (running := [path.stem for path in word.glob(f"*.{node.node_id}") if not path.read_text()]):
                time.sleep(0.02)
            victims += running
            cluster.remove_node(node, allow_graceful=False)
            (root / "awaited").unlink()
            node = cluster.add_node(**NODE) if len(victims) < losses else None
    assert ended == {spec.run_id for spec in specs}
    assert len({path.suffix for path in word.iterdir()}) == 1 + losses
    assert all(len(list(word.glob(f"{victim}.*"))) > 1 for victim in victims)  # it ran again on another node


def stop_after_one(engine: Ray, specs: list[RunSpec], store: Path) -> None:
    """Close the iterator when a cell has ended, and wait up to a minute for the cluster to be idle."""
    events = engine.run_cells(specs, SentCell.of(cell(store)))
    while not isinstance(next(events), Ended):
        pass
    events.close()
    deadline = time.monotonic() + 60
    while ray.available_resources().get("CPU") != 1 and time.monotonic() < deadline:
        time.sleep(0.1)


@pytest.mark.slow
def test_what_goes_wrong_in_one_cell_leaves_the_others(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the command line; a plug-in reaches the workers by its content."""
    monkeypatch.setattr("bench.engines.ray.RETRIES", 1)
    words = ["run", "tiny", "dies", "raises", "hard", "--engine", "ray", "--address", cluster.address, "--json"]
    words += ["--plugin", str(TINY), "--plugin", str(BROKEN), "--store", str(tmp_path)]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert [found["status"] for found in json.loads(out)["cells"]] == ["failed", "failed", "done"]
    assert "failed: dies" in err
    assert "lost 2 times, the last time: " in err
    assert {record.method: record.status for record in Store(tmp_path).read().records} == {
        "raises": "failed",
        "hard": "done",
    }


@pytest.mark.parametrize(("device", "devices", "room"), [("cpu", 1, 7), ("cpu", 2, 3), ("cuda", 1, 3), ("cuda", 2, 1)])
def test_how_many_cells_a_cluster_has_room_for(
    device: str, devices: int, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell lies on one node, and a node that died has no room."""
    nodes = [({"CPU": 5.0, "GPU": 2.0}, True), ({"CPU": 2.0, "GPU": 1.0}, True), ({"CPU": 64.0, "GPU": 8.0}, False)]
    monkeypatch.setattr(ray, "nodes", lambda: [{"Resources": each, "Alive": alive} for each, alive in nodes])
    protocol = tiny(seeds=1)[0].protocol.model_copy(update={"device": device, "devices": devices})
    specs = [spec.vary(protocol=protocol) for spec in tiny(seeds=3)]
    assert Ray().width(specs) == room
    assert Ray(jobs=1).width(specs) == 1
    many = [spec.vary(protocol=protocol.model_copy(update={"devices": 8})) for spec in specs]
    with pytest.raises(UsageError, match=r"should have 8 [CG]PU for a cell. Found none\."):
        Ray().width(many)


@pytest.mark.parametrize(
    ("address", "code", "sentence"),
    [
        (["--address", "127.0.0.1:1"], 1, "a Ray cluster at `127.0.0.1:1`; `ray start --head` starts one"),
        (["--address", "here"], 2, "should be HOST:PORT.*Found `here`"),
    ],
)
def test_no_cluster_is_one_sentence(
    address: list[str], code: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "tiny", *METHODS, "--plugin", str(TINY), "--store", str(tmp_path / "store"), "--engine", "ray"]
    assert main([*words, *address]) == code
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert re.search(sentence, err), err
    assert not (tmp_path / "store").exists()
