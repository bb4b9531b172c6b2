"""A cell on another machine: what it brings, and where it refuses to run."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.catalogue.plugin_files import read_plugin
from bench.cli.main import main
from bench.engines.local import call_in_clean_process
from bench.execution.keep import Made
from bench.execution.portable_cell import SentCell
from bench.records import RunSpec
from leaderboard.store import Store
from tests.bench.execution.tables import TINY, cell, table, tiny


def quiet(done: int, epochs: int) -> None:
    """Nobody is told of epochs."""


def make_twice(sent: SentCell, spec: RunSpec) -> Made:
    """The second time with a plug-in that is loaded already."""
    made, again = (sent.make(spec, quiet) for _ in range(2))
    assert again.record.scores == made.record.scores
    return made


def test_another_process_makes_it_and_this_one_keeps_it(tmp_path: Path) -> None:
    """The plug-in reaches a process that has no such file; what it makes is stored as if it had been made here."""
    [spec, *_] = tiny(seeds=1)
    assert cell(tmp_path / "here")(spec, quiet) == "done"
    plugin = tmp_path / "gone" / TINY.name
    sent = SentCell.of(replace(cell(tmp_path / "there"), plugins=(replace(read_plugin(TINY), path=plugin),)))
    made = call_in_clean_process(make_twice, sent, spec)
    assert not (tmp_path / "there").exists()
    assert sent.keep(made) == "done"
    assert table(tmp_path / "there") == table(tmp_path / "here")


class Lost(BaseException):
    """The end of a node."""


def test_a_lost_run_goes_on_where_the_store_is_seen(tmp_path: Path) -> None:
    """Before its own record is kept: Ray's workers write none. A node that does not see the store leaves nothing."""
    [spec, *_] = tiny(seeds=1)
    store = tmp_path / "store"
    sent = SentCell.of(replace(cell(store), checkpoint=0.0))
    told: list[int] = []

    def lose(done: int, epochs: int) -> None:
        told.append(done)
        if done == 2:
            raise Lost

    with pytest.raises(Lost):
        sent.make(spec, lose)
    assert not store.exists()
    store.mkdir()
    with pytest.raises(Lost):
        sent.make(spec, lose)
    sent.keep(sent.make(spec, lambda done, epochs: told.append(done)))
    assert told == [1, 2, 1, 2, 2, 3]
    assert cell(tmp_path / "undisturbed")(spec, quiet) == "done"
    assert table(store) == table(tmp_path / "undisturbed")


def test_other_code_or_other_data_is_refused(tmp_path: Path) -> None:
    [spec, *_] = tiny(seeds=1)
    sent = SentCell.of(cell(tmp_path / "store"))
    with pytest.raises(RuntimeError, match="the same mtlbench as the runner, found other source files"):
        replace(sent, code="0" * 64).make(spec, quiet)
    with pytest.raises(RuntimeError, match="should hold the runner's data, found other checksums"):
        sent.make(spec.vary(data="0" * 64), quiet)
    assert Store(tmp_path / "store").read().records == []


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray")])
def test_a_missing_extra_is_one_sentence_with_the_command(
    engine: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.cli.execution_options.find_spec", lambda name: None)
    for words in (["run", "synthetic", "hard"], ["reproduce", "demo"], ["tune", "synthetic", "hard"]):
        assert main([*words, "--engine", engine, "--store", str(tmp_path / "store")]) == 2
        err = capsys.readouterr().err
        assert err == (
            f"mtlbench: `--engine {engine}` needs {package}; `pip install 'mtlbench[{engine}]'` brings it.\n"
        )
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("words", [["--address", "a:1"], ["--sbatch", "partition=p"]])
def test_options_of_another_engine_are_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "synthetic", "hard", *words, "--store", str(tmp_path / "store")]) == 2
    assert f"`{words[0]}` should be given with `--engine" in capsys.readouterr().err
