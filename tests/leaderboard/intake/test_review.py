"""What a forge runs on a changed submission: `.ci/review`, on a history of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLE = "leaderboard/submissions/scale_and_bias"
RESULTS = "leaderboard/results/"
KEPT = (f"{RESULTS}_protocols/", f"{RESULTS}multidigits/")  # the board of the example
NAMELESS = ["-c", "user.name=reviewer", "-c", "user.email=reviewer@example.org"]


def git(clone: Path, *words: str) -> str:
    done = subprocess.run(["git", *NAMELESS, *words], cwd=clone, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def review(clone: Path, base: str) -> tuple[int, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(clone)}
    command = [sys.executable, ".ci/review", base, "0"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout or done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it lies here, in one commit, with the results of one suite."""
    folder = tmp_path_factory.mktemp("project")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        others = name.startswith(RESULTS) and not name.startswith(KEPT)
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")) and not others:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "All")
    return folder


@pytest.fixture
def clone(project: Path, tmp_path: Path) -> Path:
    """A copy of the project, to change."""
    return shutil.copytree(project, tmp_path / "clone", symlinks=True)


def test_changed_submissions_are_verified_and_shown_beside_their_board(clone: Path) -> None:
    whole = git(clone, "rev-parse", "HEAD")
    git(clone, "rm", "-rq", EXAMPLE)
    git(clone, "commit", "-qm", "Without")
    without = git(clone, "rev-parse", "HEAD")
    assert review(clone, without) == (0, "")
    git(clone, "checkout", "-q", "-b", "elsewhere", whole)
    (clone / "bench" / "scores.py").write_text("# every score is perfect\n")
    git(clone, "commit", "-qam", "Scores")
    code, out = review(clone, whole)
    assert code == 0
    assert "None of these was run or read; the change also touches\n\n````\nbench/scores.py\n" in out
    git(clone, "checkout", "-q", without)

    git(clone, "checkout", "-q", whole, "--", EXAMPLE)
    git(clone, "commit", "-qm", "With")
    code, out = review(clone, without)
    assert code == 0
    assert "10 records valid, 0 not." in out
    assert "also touches" not in out
    rows = {line.split(" | ")[0].strip("| ") for line in out.splitlines() if line.startswith("| ")}
    assert {"single\\_task", "cross\\_stitch", "scale\\_and\\_bias"} <= rows

    record = next((clone / EXAMPLE / "results").iterdir())
    content = json.loads(record.read_text())
    content["scores"]["val"]["left"]["accuracy"] += 1
    record.write_text(json.dumps(content))
    (clone / "bench" / "cli" / "verify.py").write_text("raise SystemExit(0)\n")  # the judge is that of the base
    git(clone, "commit", "-qam", "Better")
    code, out = review(clone, without)
    assert code == 1
    assert f"results/{record.name}: digest: does not match the content" in out
    assert "| " not in out


def test_results_and_states_alone_are_reviewed(clone: Path) -> None:
    base = git(clone, "rev-parse", "HEAD")
    (clone / "leaderboard/results/_verified").mkdir()
    (clone / "leaderboard/results/_verified/20990101T000000.000000Z-01234567.jsonl").write_text("{}\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "Found out")
    code, out = review(clone, base)
    assert (code, "States of verification: 1 lines added, 0 removed." in out) == (0, True)
    assert "Records" not in out
    file = min((clone / "leaderboard/results/multidigits").glob("*.jsonl"))
    file.write_text(file.read_text().replace('"seed":0', '"seed":1', 1))
    git(clone, "commit", "-qam", "Better")
    code, out = review(clone, base)
    assert code == 1
    assert "digest: does not match the content" in out
    assert f"{file.relative_to(clone / 'leaderboard/results').as_posix()}:" in out
    assert "Records, one a line: 1 lines added, 1 removed" in out


def test_what_a_change_is_called_steers_nothing(clone: Path) -> None:
    base = git(clone, "rev-parse", "HEAD")
    names = ["::add-mask::x", "a````b", "c\x1b[2J\nd", "../e"]
    for name in names[:3]:
        (clone / "leaderboard/submissions" / name).mkdir()
        (clone / "leaderboard/submissions" / name / "method.py").write_text("x = 1\n")
        (clone / name).write_text("")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "Names")
    code, out = review(clone, base)
    assert code == 1
    assert all(not line.startswith("::") for line in out.splitlines())
    assert "\x1b" not in out
    assert out.count("````") == 2  # the fence of the other files


@pytest.mark.parametrize("base", ["nosuch", "--upload-pack=x", ""])
def test_a_base_that_is_no_commit_is_refused(base: str, clone: Path) -> None:
    code, out = review(clone, base)
    assert code == 2
    assert "commit of this repository" in out or "usage" in out
