"""`mtlbench predict` as a user meets it: from a store and a file of rows to answers; every mistake is one sentence."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.engines.local import call_in_clean_process
from leaderboard.store import Store
from leaderboard.store.models import find_models
from tests.bench.prediction.kept import QUICK, plan_quick
from tests.conftest import forget_plugins

SUITE = "synthetic:tasks=2"
SETTINGS = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
WORDS = ["run", SUITE, "hard", "single_task", "--jobs", "1", "--device", "cpu", *SETTINGS]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two runs and their models."""
    root = tmp_path_factory.mktemp("kept") / "store"
    assert main([*WORDS, "--store", str(root), "--keep-model"]) == 0
    return root


@pytest.fixture
def store(kept: Path, tmp_path: Path) -> Path:
    """A copy of it: a store that was moved."""
    return Path(shutil.copytree(kept, tmp_path / "moved"))


def run_of(method: str) -> str:
    return plan_quick(SUITE, method, **QUICK).run_id


def write_rows(path: Path, **changes: float) -> Path:
    """Three rows of inputs; `changes`, as r1=nan, replace the first number of a row."""
    rows = np.random.default_rng(0).standard_normal((3, 20)).astype(np.float32)
    for row, value in changes.items():
        rows[int(row[1:]), 0] = value
    np.save(path, rows)
    return path


def test_files_of_a_model_lie_beside_the_record(kept: Path) -> None:
    models = dict(find_models(kept))
    assert set(models) == {run_of("hard"), run_of("single_task")}
    spec = plan_quick(SUITE, "hard", **QUICK)
    assert models[spec.run_id] == Store(kept).path(spec).with_suffix(".model.json")
    assert Store(kept).path(spec).with_suffix(".safetensors").is_file()
    contents = Store(kept).read()
    assert contents.problems == []
    assert len(contents.records) == 2


def test_a_fresh_process_gives_the_same_bits(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, out = write_rows(tmp_path / "rows.npy"), tmp_path / "new" / "out.npz"
    words = ["predict", run_of("single_task")[:6], str(rows), "--store", str(store)]
    assert main([*words, "--json"]) == 0
    here = json.loads(capsys.readouterr().out)
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path / "no_data"))
    assert call_in_clean_process(main, [*words, "--out", str(out)]) == 0
    there = np.load(out)
    assert sorted(there) == ["task00", "task01"]
    for task in there:
        assert [row[task]["prediction"] for row in here] == there[task][:, 0].tolist()
    assert [row["row"] for row in here] == [0, 1, 2]


def test_csv_has_a_line_for_each_row_and_all_digits(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write_rows(tmp_path / "rows.npy")
    words = ["predict", run_of("hard"), str(rows), "--store", str(store)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    table = list(csv.DictReader(io.StringIO(printed)))
    assert list(table[0]) == ["row", "task00", "task01"]
    assert main([*words, "--out", str(tmp_path / "a.csv")]) == 0
    assert (tmp_path / "a.csv").read_text() == printed
    assert main([*words, "--out", str(tmp_path / "a.npz")]) == 0
    outputs = np.load(tmp_path / "a.npz")
    assert [np.float32(float(row["task01"])) for row in table] == outputs["task01"][:, 0].tolist()


def test_rows_of_the_tasks_own(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.load(write_rows(tmp_path / "rows.npy"))
    np.savez(tmp_path / "own.npz", task01=rows, task00=rows[:1])
    words = ["--store", str(store), "--json"]
    assert main(["predict", run_of("hard"), str(tmp_path / "own.npz"), *words]) == 0
    own = json.loads(capsys.readouterr().out)
    assert main(["predict", run_of("hard"), str(tmp_path / "rows.npy"), *words]) == 0
    shared = json.loads(capsys.readouterr().out)
    assert [set(row) for row in own] == [{"row", "task00", "task01"}, {"row", "task01"}, {"row", "task01"}]
    assert own[2]["task01"]["prediction"] == pytest.approx(shared[2]["task01"]["prediction"], rel=1e-5)


def test_classes_have_a_probability(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "multidigits", "hard", "--jobs", "1", "--device", "cpu", *SETTINGS, "--store", str(tmp_path / "s")]
    assert main([*words, "--keep-model"]) == 0
    [(run, _)] = find_models(tmp_path / "s")
    from bench.planning.plan import parse_suite

    _, suite = parse_suite("multidigits")
    inputs = suite.dataset("test", 0).inputs["left"][:2]
    np.save(tmp_path / "rows.npy", inputs.numpy())
    capsys.readouterr()
    assert main(["predict", run[:8], str(tmp_path / "rows.npy"), "--store", str(tmp_path / "s"), "--json"]) == 0
    for row in json.loads(capsys.readouterr().out):
        assert row["left"]["prediction"] in range(10)
        assert 0.1 <= row["right"]["probability"] <= 1


def test_a_run_that_is_stored_without_its_model_is_trained_again_and_keeps_its_record(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "store"
    assert main([*WORDS, "--store", str(root)]) == 0
    spec = plan_quick(SUITE, "hard", **QUICK)
    before = Store(root).path(spec).read_bytes()
    write_rows(tmp_path / "rows.npy")
    capsys.readouterr()
    assert main(["predict", spec.run_id, str(tmp_path / "rows.npy"), "--store", str(root)]) == 2
    assert "was stored without its model; the command that ran `hard` on" in capsys.readouterr().err
    assert main([*WORDS, "--store", str(root), "--keep-model"]) == 0
    assert "0 were stored, 2 done" in capsys.readouterr().err
    assert Store(root).path(spec).read_bytes() == before
    mine, theirs = (Store(each).path(spec).with_suffix(".safetensors").read_bytes() for each in (root, kept))
    assert mine == theirs
    assert main([*WORDS, "--store", str(root), "--keep-model"]) == 0
    assert "2 were stored, 0 done" in capsys.readouterr().err


def test_a_model_with_other_scores_than_its_record_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.execution.keep import Made, store_made
    from tests.bench.prediction.kept import fit_and_keep

    spec = plan_quick(SUITE, "hard", **QUICK)
    record, model = fit_and_keep(spec)
    other = {"val": {**record.statistics["val"], "task00": {"count": 2000, "squared_error": 1234.5}}}
    changed = record.model_copy(update={"statistics": {**record.statistics, **other}})
    store = Store(tmp_path)
    assert store_made(store, Made(record, [])) == "done"
    assert store_made(store, Made(changed, [], model)) == "done"
    assert not store.has_model(spec)
    assert "came to other scores than its record" in capsys.readouterr().err


def test_merge_leaves_models_and_says_so(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", str(store), "--into", str(tmp_path / "all")]) == 0
    assert "2 trained models stay in the sources" in capsys.readouterr().out
    assert dict(find_models(tmp_path / "all")) == {}
    before = dict(find_models(store))
    assert main(["merge", "--into", str(store)]) == 0  # packs its records
    assert dict(find_models(store)) == before
    assert len(list(store.glob("*/*/*.json"))) == 2  # the cards alone
    assert len(Store(store).read().records) == 2
    assert main(["verify", str(store)]) == 0
    rows = write_rows(tmp_path / "rows.npy")
    assert main(["predict", run_of("hard"), str(rows), "--store", str(store)]) == 0


def spoil_weights(store: Path, path: Path) -> None:
    weights = dict(find_models(store))[run_of("hard")].with_name(f"{run_of('hard')}.safetensors")
    weights.write_bytes(weights.read_bytes()[:-4])


def lose_weights(store: Path, path: Path) -> None:
    dict(find_models(store))[run_of("hard")].with_name(f"{run_of('hard')}.safetensors").unlink()


def spoil_card(store: Path, path: Path) -> None:
    dict(find_models(store))[run_of("hard")].write_text("{}")


def write_other_shape(store: Path, path: Path) -> None:
    np.save(path, np.zeros((3, 7)))


def write_no_row(store: Path, path: Path) -> None:
    np.save(path, np.zeros((0, 20)))


def write_texts(store: Path, path: Path) -> None:
    np.save(path, np.array([["a"] * 20]))


def write_objects(store: Path, path: Path) -> None:
    np.save(path, np.array([[{}] * 20], dtype=object), allow_pickle=True)


def write_nan(store: Path, path: Path) -> None:
    write_rows(path, r1=float("nan"), r2=float("inf"))


def write_garbage(store: Path, path: Path) -> None:
    path.write_bytes(b"no array")


MISTAKES = [
    (write_other_shape, 2, r"FILE should have the shape \(n, 20\).*Found \(3, 7\)"),
    (write_no_row, 2, r"n at least 1.*Found \(0, 20\)"),
    (write_texts, 2, "FILE should hold numbers. Found the type"),
    (write_objects, 2, "should be an array of numbers that NumPy wrote"),
    (write_nan, 2, "finite numbers. Found 2 rows with others, the first is row 1, counted from 0"),
    (write_garbage, 2, "should be an array of numbers that NumPy wrote"),
    (spoil_weights, 1, "should be as it was written, with SHA-256"),
    (lose_weights, 1, "should lie beside .*Found no file that can be read"),
    (spoil_card, 1, "should describe a trained model"),
]


@pytest.mark.parametrize(("damage", "code", "sentence"), MISTAKES, ids=[each[0].__name__ for each in MISTAKES])
def test_a_file_that_does_not_fit_is_one_sentence(
    damage: Callable[[Path, Path], None],
    code: int,
    sentence: str,
    store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = write_rows(tmp_path / "rows.npy")
    damage(store, rows)
    assert main(["predict", run_of("hard"), str(rows), "--store", str(store)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert re.search(sentence, err), err


def test_runs_and_files_that_are_not_there(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, run = write_rows(tmp_path / "rows.npy"), run_of("hard")
    wrong = ("0" if run[0] != "0" else "1") + run[1:]
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    for words, sentence in {
        (wrong, str(rows)): f"There is no run `{wrong}` with a model; the nearest: `{run}`",
        ("the best", str(rows)): "an id is 16 digits and letters from a to f, there are models of",
        ("", str(rows)): "RUN should|no run ``",
        (run, str(tmp_path / "absent.npy")): "FILE should be a file of new rows, or a folder of images. Found none",
        (run, str(empty)): "FILE should be a file of new rows; folders are for sets of images. Found `empty`",
        (run, str(tmp_path / "table.csv")): "FILE should be arrays of the suite's inputs, `.npy` or `.npz`",
        (run, str(rows), "--out", "answer.xlsx"): "`--out` should end in .csv, .json or .npz",
        (run, str(rows), "--store", str(empty)): "holds no trained model; `mtlbench run SUITE METHOD --keep-model`",
        (run, str(rows), "--store", str(tmp_path / "none")): "should be a folder of records",
    }.items():
        assert main(["predict", "--store", str(store), *words]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.splitlines()) == 1
        assert re.search(sentence, err), err
    np.savez(tmp_path / "odd.npz", task00=np.zeros((1, 20)), task1=np.zeros((1, 20)))
    assert main(["predict", run, str(tmp_path / "odd.npz"), "--store", str(store)]) == 2
    assert "Found `task1`; the nearest: `task" in capsys.readouterr().err


def test_a_prefix_of_two_runs_names_both(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hard = dict(find_models(store))[run_of("hard")]
    twin = hard.with_name(f"{run_of('hard')[:-1]}{'0' if run_of('hard')[-1] != '0' else '1'}.model.json")
    shutil.copy(hard, twin)
    rows = write_rows(tmp_path / "rows.npy")
    assert main(["predict", run_of("hard")[:5], str(rows), "--store", str(store)]) == 2
    assert "RUN should begin one run id. Found 2 models" in capsys.readouterr().err
    assert main(["predict", twin.name[:16], str(rows), "--store", str(store)]) == 1  # it is another run's
    assert "should be of its run" in capsys.readouterr().err


def test_a_method_from_a_file_needs_the_same_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked where the file was not loaded before."""
    from bench.cli.new import write_part

    file, rows = tmp_path / "blend.py", write_rows(tmp_path / "rows.npy")
    file.write_text(write_part("method", "blend"))
    words = ["run", SUITE, "blend", "--jobs", "1", "--device", "cpu", *SETTINGS, "--keep-model"]
    with forget_plugins():
        assert main([*words, "--plugin", str(file), "--store", str(tmp_path / "s")]) == 0
    [(run, _)] = find_models(tmp_path / "s")
    edited = tmp_path / "edited" / "blend.py"
    edited.parent.mkdir()
    edited.write_text(file.read_text().replace("= 0.5", "= 0.25"))
    for plugin, code, told in (
        ([], 2, "The sharing `blend` of run `.{16}` came from a file of its own; give that file with `--plugin`"),
        (["--plugin", str(edited)], 2, "`blend` should have the source that the model was trained with"),
        (["--plugin", str(file)], 0, ""),
    ):
        asked = ["predict", run, str(rows), "--store", str(tmp_path / "s"), *plugin]
        capsys.readouterr()
        with forget_plugins():
            assert main(asked) == code
        error = capsys.readouterr().err
        assert re.search(told, error), error


def test_a_run_without_weights_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gpytorch")
    words = ["run", "linear_synthetic:tasks=6,train=5", "gp_single", "--jobs", "1", "--store", str(tmp_path / "s")]
    assert main([*words, "--keep-model"]) == 0
    [(run, _)] = find_models(tmp_path / "s")
    np.save(tmp_path / "rows.npy", np.zeros((1, 30)))
    assert main(["predict", run, str(tmp_path / "rows.npy"), "--store", str(tmp_path / "s")]) == 2
    assert f"Run `{run}` has no model: its predictions are made" in capsys.readouterr().err
    assert main([*words, "--keep-model"]) == 0  # and it is not trained again for it
    assert "1 were stored, 0 done" in capsys.readouterr().err
