"""The wheel and the source archive: what is in them, and that an installed package does what a page shows."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from leaderboard.boards.board import boards
from tests.pages import ROOT, list_programs, read_page

FOLDERS = ("mtlbench", "bench", "suites", "leaderboard")
QUOTED = ("CITATION.cff", "CHANGELOG.md")  # files at the root that pages quote
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", *QUOTED)
BUILD = "from setuptools import build_meta; print(build_meta.build_{kind}({folder!r}))"
RECORDS = "leaderboard/results.jsonl.xz"
MOST_CODE = 1_700_000  # bytes, packed: code of seven hundred documented files, and nothing else
MOST_RECORDS = 9_000_000  # of twenty thousand records


def build(kind: str, sources: Path, folder: Path) -> Path:
    """Build a `wheel` or an `sdist` of a source tree, as pip does, without a network."""
    folder.mkdir(parents=True, exist_ok=True)
    code = BUILD.format(kind=kind, folder=str(folder))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=sources, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


def copy_sources(target: Path, results: Sequence[str] | None) -> Path:
    """A clone at `target`, with the committed records of some suites, or of all."""
    for name in FILES:
        shutil.copy(ROOT / name, target / name)
    for name in FOLDERS:
        away = shutil.ignore_patterns("__pycache__", *(["results"] if name == "leaderboard" else []))
        shutil.copytree(ROOT / name, target / name, ignore=away)
    committed, kept = ROOT / "leaderboard" / "results", target / "leaderboard" / "results"
    kept.mkdir()
    for path in committed.iterdir():
        if path.is_file():
            shutil.copy(path, kept / path.name)
        elif results is None or path.name in results or path.name == "_protocols":
            shutil.copytree(path, kept / path.name)
    return target


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with few records, so that builds take seconds."""
    return copy_sources(tmp_path_factory.mktemp("clone"), ["multimnist"])


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def archive(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", sources, tmp_path_factory.mktemp("sdist"))


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    """Modules, templates, cards, tables, step times; no records but their copy, and no tests."""
    names = set(zipfile.ZipFile(wheel).namelist())
    there = [path for name in FOLDERS for path in (ROOT / name).rglob("*") if path.is_file()]
    away = {"results", "submissions", "__pycache__"}
    wanted = {str(path.relative_to(ROOT)) for path in there if away.isdisjoint(path.relative_to(ROOT).parts)}
    inside = {name for name in names if name.split("/")[0] in FOLDERS}
    assert inside == wanted | {RECORDS, *(f"leaderboard/{name}" for name in QUOTED)}
    assert {f"leaderboard/tables/{name}.toml" for name in boards()} <= inside
    assert {"mtlbench/py.typed", "suites/scenes/README.md", "leaderboard/site/templates/base.html"} <= inside
    [licenses] = {name for name in names if name.endswith("licenses/leaderboard/results/LICENSE")}
    assert licenses


def test_the_wheel_is_small(wheel: Path) -> None:
    copy = zipfile.ZipFile(wheel).getinfo(RECORDS).compress_size
    assert wheel.stat().st_size - copy < MOST_CODE


def test_what_an_archive_builds_is_the_same(wheel: Path, archive: Path, tmp_path: Path) -> None:
    """A wheel of the source archive, which has no store, carries the copy that came with it."""
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    [root] = tmp_path.iterdir()
    assert (root / RECORDS).is_file()
    again = zipfile.ZipFile(build("wheel", root, tmp_path / "wheel"))
    first = zipfile.ZipFile(wheel)
    mine = {info.filename: info.CRC for info in first.infolist() if ".dist-info" not in info.filename}
    assert {info.filename: info.CRC for info in again.infolist() if ".dist-info" not in info.filename} == mine


def install(wheel: Path, folder: Path) -> Path:
    """A virtual environment with the wheel, and the libraries of this one; returns its folder of programs."""
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    subprocess.run(
        [programs / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True
    )
    [site] = (folder / "lib").glob("python*/site-packages")
    libraries = next(path for path in map(Path, sys.path) if (path / "torch").is_dir())
    (site / "libraries.pth").write_text(f"{libraries}\n")
    return programs


@pytest.mark.slow
def test_an_installed_wheel_does_what_its_quick_start_shows(tmp_path: Path) -> None:
    """In an empty folder: the command, the quick start of a page, and results to the last digit of the clone's."""
    (tmp_path / "clone").mkdir()
    wheel = build("wheel", copy_sources(tmp_path / "clone", None), tmp_path / "wheel")
    assert zipfile.ZipFile(wheel).getinfo(RECORDS).compress_size < MOST_RECORDS
    programs = install(wheel, tmp_path / "venv")
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MTLBENCH"))}

    def call(*words: str | Path) -> str:
        done = subprocess.run(list(words), cwd=empty, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    python = programs / "python"
    where = call(python, "-c", "import mtlbench, bench.api; print(mtlbench.__file__, bench.api.__file__)").split()
    assert all(str(tmp_path / "venv") in path for path in where)
    assert "scenes_1" in call(programs / "mtlbench", "list", "tables")
    call(programs / "mtlbench", "run", "synthetic:tasks=2", "single_task", "hard", "--set", "epochs=1")
    assert "hard" in call(programs / "mtlbench", "table", "synthetic:tasks=2", "--where", "epochs=1")
    section = read_page("docs/get_started.md").partition("\n## From Python\n")[2].partition("\n## ")[0]
    program = "\n".join(list_programs(section))
    (empty / "program.py").write_text(program)
    assert "Δ log" in call(python, "program.py")
    line = (
        "import mtlbench as mb; runs = mb.load_results(); "
        "print(runs.attrs['source'] + chr(10) + str(runs.shape) + chr(10) + repr(runs.value.sum()))"
    )
    source, shape, total = call(python, "-c", line).splitlines()
    assert "as the package has them" in source
    here = subprocess.run(
        [sys.executable, "-c", line], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    ).stdout.splitlines()
    assert here[1:] == [shape, total]
    assert "is better than single_task" in call(
        python, "-c", "import mtlbench as mb; print(mb.compare('scenes_1', 'hard'))"
    )
