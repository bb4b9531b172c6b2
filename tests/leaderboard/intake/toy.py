"""A toy board, the runs of a submission to it, and what writes them as a folder."""

from operator import attrgetter
from pathlib import Path

from bench.records import Cost, ResultRecord
from leaderboard.boards.board import Board
from leaderboard.intake.manifest import Manifest, checksum_bytes, format_manifest
from leaderboard.intake.submission import read_submission
from leaderboard.store.json_text import format_json
from tests.leaderboard.conftest import build_record

CODE = (
    b'from bench.api import Sharing, register\n@register("mine", paper="Me")\nclass Mine(Sharing):\n    """y = x."""\n'
)


BOARD = Board(name="toy", title="Toy", version=1, suite="toy", methods=["single_task", "hard"], seeds="0-1")


BOARDS = {"toy": BOARD}


COMMITTED = [build_record(method, seed) for method in ("single_task", "hard") for seed in (0, 1)]


VERSIONS = {"suite/toy": 1, "sharing/mine": 1, "weighting/uniform": 1}


COST = Cost(parameters=9, forward_flops=9, step_ms=0.5, train_seconds=0.1, peak_memory_mb=9.0, hardware="cpu: A")


def build(seed: int, **changed) -> ResultRecord:
    """A run of the submitted method."""
    found = {"values": {"left": 96.0 + seed, "right": 91.0}, "versions": VERSIONS, "cost": COST}
    return build_record("mine", seed, **(found | {"created": "2026-01-01T00:00:00+00:00"} | changed))


RUNS = [build(seed) for seed in (0, 1)]


MANIFEST = Manifest(
    name="mine",
    methods=["mine"],
    suite="toy",
    board="toy",
    seeds="0-1",
    method_sha256=checksum_bytes(CODE),
    authors="A. Author",
    note='quotes " and \\ and\nlines',
)


SCRIPT = '<script>window.ran = 1</script><img src=x onerror="window.ran=1">'


def write(folder: Path, manifest: Manifest | None = MANIFEST, code: bytes = CODE, runs=RUNS) -> Path:
    (folder / "results").mkdir(parents=True)
    (folder / "method.py").write_bytes(code)
    if manifest:
        (folder / "submission.toml").write_text(format_manifest(manifest))
    for run in runs:
        (folder / "results" / f"{run.run_id}.json").write_text(format_json(run.model_dump(mode="json")))
    return folder


def problems(folder: Path) -> dict[str, str]:
    found = read_submission(folder, BOARDS, COMMITTED).problems
    return {problem.path: "; ".join(problem.reasons) for problem in found}


NAMED = attrgetter("run_id")  # the order in which runs are read


def resealed(run: ResultRecord, **changed) -> ResultRecord:
    """The run with other content or another specification, and a digest that fits."""
    spec = run.spec.vary(**changed.pop("spec", {}))
    return run.model_copy(update={"spec": spec, "run_id": spec.run_id, **changed}).seal()


def snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }
