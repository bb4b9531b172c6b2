"""Arrays, folders of Hugging Face, Python objects and pages of docs as sources of own data sets."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.errors import UsageError
from bench.planning.plan import parse_suite
from suites import import_table
from tests.pages import list_commands, list_programs, read_page

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")


def make_arrays(rows: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """X (rows, 3) and Y (rows, 2), which is linear in X."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((rows, 3))
    return X, X @ generator.standard_normal((3, 2)) + 0.1 * generator.standard_normal((rows, 2))


def read_tasks(root: Path) -> list[str]:
    return [task.name for task in parse_suite("mine", root)[1].tasks]


def import_file(path: Path, root: Path, *words: str) -> int:
    return main(["data", "import", str(path), "--name", "mine", "--data-dir", str(root), *words])


def test_arrays_are_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    X, Y = make_arrays()
    np.savez(tmp_path / "a.npz", X=X, Y=Y, z=np.arange(40) % 2)
    assert import_file(tmp_path / "a.npz", tmp_path, "--targets", "Y,z") == 0
    assert read_tasks(tmp_path) == ["Y_0", "Y_1", "z"]
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    (tmp_path / "a.toml").write_text('targets = ["Y"]\n[arrays]\nX = "x.npy"\nY = "y.npy"\n[columns]\nY = ["p", "q"]\n')
    assert import_file(tmp_path / "a.toml", tmp_path, "--replace") == 0
    assert read_tasks(tmp_path) == ["p", "q"]
    np.savez(tmp_path / "b.npz", X=X, y=Y[:-1, 0])
    capsys.readouterr()
    assert import_file(tmp_path / "b.npz", tmp_path, "--targets", "y", "--replace") == 2
    assert "should have one row for each example. Found 40 in `X`, 39 in `y`" in capsys.readouterr().err


def test_parquet(tmp_path: Path) -> None:
    X, Y = make_arrays()
    pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y[:, 0]}).write_parquet(tmp_path / "t.parquet")
    assert import_file(tmp_path / "t.parquet", tmp_path, "--targets", "y") == 0
    assert parse_suite("mine", tmp_path)[1].input_shape == (2,)


def write_saved(folder: Path, X: np.ndarray, y: np.ndarray) -> None:
    """A split as `save_to_disk` writes it: an Arrow stream and two JSON files."""
    folder.mkdir(parents=True)
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "label": pa.array(y, pa.int64())})
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    features = {"label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}, "a": {"dtype": "float64"}}
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))


def test_a_saved_data_set_keeps_its_splits_and_names_of_classes(tmp_path: Path) -> None:
    X, _ = make_arrays(60)
    y = np.arange(60) % 3
    for name, part in {"train": slice(0, 40), "test": slice(40, 60)}.items():
        write_saved(tmp_path / "saved" / name, X[part], y[part])
    (tmp_path / "saved" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    assert import_file(tmp_path / "saved", tmp_path, "--targets", "label") == 0
    _, suite = parse_suite("mine", tmp_path)
    assert suite.protocol.splits == {"train": 30, "val": 10, "test": 20}
    assert suite.description.tasks[0].levels == ("cat", "dog", "owl")  # type: ignore[attr-defined]
    assert suite.dataset("test", 0).targets["label"].tolist() == y[40:].tolist()
    assert import_file(tmp_path, tmp_path, "--targets", "label", "--replace") == 2


def test_python_arrays_and_frames(tmp_path: Path) -> None:
    import pandas as pd

    X, Y = make_arrays()
    assert import_table(X, Y, name="mine", data_dir=tmp_path) == []
    assert read_tasks(tmp_path) == ["y_0", "y_1"]
    first = parse_suite("mine", tmp_path)[1].dataset("train", 0)
    labels = pd.DataFrame(Y, columns=["p", "q"])
    labels.loc[3, "p"] = np.nan
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    import_table(frame, labels, name="mine", data_dir=tmp_path, replace=True, groups=np.arange(40) // 4)
    assert read_tasks(tmp_path) == ["p", "q"]
    assert first.inputs["y_0"].shape == (24, 3)
    assert (
        sum(
            int(parse_suite("mine", tmp_path)[1].dataset(s, 0).targets["p"].isnan().sum())
            for s in ("train", "val", "test")
        )
        == 1
    )
    with pytest.raises(UsageError, match="Found 39 in `y` and 40 in `a`"):
        import_table(frame, Y[:-1, 0], name="other", data_dir=tmp_path)
    with pytest.raises(UsageError, match="Found `multidigits`, which is a suite of mtlbench"):
        import_table(X, Y, name="multidigits", data_dir=tmp_path)
    with pytest.raises(UsageError, match=r"as `my_hard`. Found `hard`, which is a sharing of mtlbench"):
        import_table(X, Y, name="hard", data_dir=tmp_path)
    with pytest.raises(UsageError, match="`p` should be a column of X or of Y"):
        import_table(labels, labels, name="other", data_dir=tmp_path)


def write_flats(path: Path) -> None:
    """The table of docs/your_data.md."""
    generator = np.random.default_rng(0)
    size = generator.uniform(20, 120, 80).round(1)
    rooms = (size // 25 + 1).astype(int)
    rent = (200 + 9 * size + 40 * generator.standard_normal(80)).round(2)
    lines = [f"{s},{r},{e},{generator.choice(['gas', 'oil'])}" for s, r, e in zip(size, rooms, rent, strict=True)]
    path.write_text("\n".join(["size,rooms,rent,heating", *lines]) + "\n")


def test_the_commands_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command of the page, in its order; `ask`, which takes minutes, is tested elsewhere."""
    page = read_page("docs/your_data.md")
    commands = list_commands(page)
    assert [words[0] for words in commands].count("data") == 3
    write_flats(tmp_path / "flats.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path / "data"))
    for words in commands:
        if words[0] == "ask":
            continue
        less = ["--set", "epochs=2", "--jobs", "1"] if words[0] == "run" else []
        less = ["--where", "epochs=2"] if words[0] == "table" else less
        words = ["0-1" if word == "0-4" else word for word in words]
        assert main([*words, *less]) == 0, words
    shown = capsys.readouterr().out
    assert "heating  target   binary" in shown
    [code] = list_programs(page)
    exec(code, {})
    assert [task.name for task in parse_suite("linnerud", tmp_path / "data")[1].tasks] == ["Weight", "Waist", "Pulse"]
