"""What every method computes, frozen: three updates in float64 on a tiny fixed problem.

A change of code that changes a method's numbers has to move its version, because stored runs carry it.
After a new method, or a version that moved on purpose:

    python -m tests.bench.test_fingerprints --write
"""

import json
import math
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.core.data import Dataset
from bench.core.suite import Stage, Suite
from bench.core.task import Regression, Task
from bench.records import Protocol, RunSpec
from bench.training.fit import Run
from tests.bench.methods import catalogue
from tests.conftest import train_run

FILE = Path(__file__).with_name("fingerprints.json")
WRITE = "`python -m tests.bench.test_fingerprints --write`"
ROWS, WIDTH, TASKS = 12, 5, ("a", "b", "c")
Fingerprint = dict[str, Any]


def wave(rows: int, columns: int, phase: float) -> Tensor:
    """A matrix of cosines: numbers without a generator."""
    angles = torch.arange(rows * columns, dtype=torch.float64).reshape(rows, columns)
    return torch.cos(1.7 * angles + phase)


def loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    return (prediction - target).square().mean()


class Tiny(Suite):
    """Three regressions on twelve rows, through two stages that keep the shape of their input."""

    def __init__(self) -> None:
        super().__init__()
        self.input_shape = (WIDTH,)
        self.tasks = [Task(name, lambda shape: nn.Linear(shape[0], 1), loss, Regression) for name in TASKS]
        self.protocol = Protocol(
            name="tiny",
            version=1,
            splits={"train": ROWS, "test": ROWS},
            split_rule="none",
            epochs=3,  # of one update, for what a method does once an epoch
            steps_per_epoch=1,
            batch_size=4,
            optimiser="sgd",
            lr=0.02,
            schedule="constant",
            selection="last",
            precision="float64",
            metrics=dict.fromkeys(TASKS, "regression"),
        )

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        hidden = round(WIDTH * width)
        sizes = [(WIDTH, hidden), (hidden, hidden)]
        return nn.ModuleList(Stage(nn.Linear(a, b), nn.Tanh(), output_shape=(b,)) for a, b in sizes)

    def dataset(self, split: Literal["train", "val", "test"], seed: int) -> Dataset:
        x = wave(ROWS, WIDTH, 0.0)
        return Dataset(dict.fromkeys(TASKS, x), {name: wave(ROWS, 1, t + 1.0) for t, name in enumerate(TASKS)})

    def checksums(self) -> dict[str, str]:
        return {}


def fingerprint(text: str) -> Fingerprint:
    """Versions of the parts of a method, and its predictions and parameters after three updates."""
    method, suite = Method.parse(text), Tiny()
    spec = RunSpec(
        suite="tiny",
        method=method.canonical,
        seed=0,
        protocol=suite.protocol,
        versions=method.versions,
        data="",
    )
    run = Run(spec, suite, method)
    model = train_run(run)
    weights = wave(ROWS, 1, 0.5)
    with torch.no_grad():
        outputs = model(suite.dataset("test", 0).inputs, run.module.state)
        numbers = {f"prediction {task}": float((weights * outputs[task]).sum()) for task in TASKS}
        parameters = torch.cat([parameter.flatten() for parameter in model.parameters()])
        numbers |= {"sum of parameters": float(parameters.sum()), "sum of squares": float(parameters.square().sum())}
    return {"versions": method.versions, "numbers": {name: float(f"{x:.12g}") for name, x in numbers.items()}}


def same(stored: Fingerprint, found: Fingerprint) -> bool:
    """Whether the numbers agree to nine digits: sums differ in the last ones between machines."""
    a, b = stored["numbers"], found["numbers"]
    return a.keys() == b.keys() and all(math.isclose(a[key], b[key], rel_tol=1e-9, abs_tol=1e-12) for key in a)


def problem(method: str, stored: Fingerprint | None, found: Fingerprint) -> str | None:
    """What is wrong with a method's fingerprint, in one sentence that says what to do."""
    if stored is None:
        return f"`{method}` has no fingerprint yet; write it with {WRITE}."
    if stored["versions"] != found["versions"]:
        return f"The version of `{method}` moved; write its fingerprint anew with {WRITE}."
    if not same(stored, found):
        parts = " or ".join(f"`{part}`" for part in found["versions"])
        return (
            f"The numbers of `{method}` changed and no version moved: stored runs would no longer be repeated. "
            f"Mend the change, or move `version` of {parts} in its @register(...) and write the fingerprint anew "
            f"with {WRITE}."
        )
    return None


def read() -> dict[str, Fingerprint]:
    """The stored fingerprints."""
    stored: dict[str, Fingerprint] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return stored


def write() -> int:
    """Store what is new or has another version; refuses numbers that changed under the same version."""
    before, after, refused = read(), {}, 0
    for method in sorted(catalogue()):
        stored, found = before.get(method), fingerprint(method)
        if stored is None or stored["versions"] != found["versions"]:
            print(f"{'changed' if stored else 'new'}: {method}")
            stored = found
        elif reason := problem(method, stored, found):
            print(reason, file=sys.stderr)
            refused += 1
        after[method] = stored
    FILE.write_text(json.dumps(after, indent=1) + "\n")
    return 1 if refused else 0


@pytest.mark.parametrize("method", catalogue())
def test_numbers_move_only_with_a_version(method: str) -> None:
    found = problem(method, read().get(method), fingerprint(method))
    assert found is None, found


def test_no_fingerprint_is_left_of_a_method_that_is_gone() -> None:
    assert sorted(set(read()) - set(catalogue())) == [], f"Remove them with {WRITE}."


def test_the_problem_tells_methods_apart() -> None:
    towers = ("single_task", "single_task:init=independent", "soft+l2", "soft+l2:form=offset", "soft+l2:form=penalty")
    mixed = ("hard", "hard_wide", "hard@uncertainty", "hard@uniform:reduction=mean")
    stitched = ("cross_stitch", "cross_stitch:cross=0", "cross_stitch:per=channel", "cross_stitch:rows=normalised")
    names, stored = (*towers, *mixed, *stitched), read()
    assert not any(same(stored[a], stored[b]) for a in names for b in names if a != b)
    assert same(stored["hard"], stored["hard@static"])  # weights of 1 are uniform


def test_what_a_fingerprint_notices() -> None:
    stored = fingerprint("hard")
    moved = {**stored, "versions": {**stored["versions"], "sharing/hard": 99}}
    changed = {
        **stored,
        "numbers": {**stored["numbers"], "prediction a": stored["numbers"]["prediction a"] * (1 + 1e-7)},
    }
    assert problem("hard", stored, fingerprint("hard")) is None
    assert str(problem("hard", None, stored)).startswith("`hard` has no fingerprint yet; write it with `python -m")
    assert str(problem("hard", stored, moved)).startswith("The version of `hard` moved")
    assert str(problem("hard", stored, changed)).startswith("The numbers of `hard` changed and no version moved")
    assert fingerprint("hard:split=1")["numbers"] != stored["numbers"]


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(f"Found `{' '.join(sys.argv[1:])}`; write fingerprints with {WRITE}.")
    torch.set_num_threads(1)
    sys.exit(write())
