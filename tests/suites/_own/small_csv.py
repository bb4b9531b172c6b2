"""A table with a target of each kind, and its import by the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli.main import main

ROWS = 60


def make_rows(**more: Any) -> dict[str, list[Any]]:
    """Columns of a table: a number, a category, a date, and one target of each kind."""
    generator = np.random.default_rng(0)
    a = generator.standard_normal(ROWS).round(3)
    days = np.datetime64("2024-01-01") + generator.integers(0, 300, ROWS)
    return {
        "a": a.tolist(),
        "colour": generator.choice(["red", "green", "blue"], ROWS).tolist(),
        "day": days.astype(str).tolist(),
        "score": (100 + 10 * a + generator.standard_normal(ROWS)).round(2).tolist(),
        "kind": generator.choice(["x", "y", "z"], ROWS).tolist(),
        "passed": generator.choice(["yes", "no"], ROWS).tolist(),
        "grade": (np.arange(ROWS) % 5 + 1).tolist(),
        "visits": [*generator.poisson(3, ROWS).tolist()[:-1], 14],
        **more,
    }


TARGETS = "score,kind,passed,grade,visits"


def write_csv(path: Path, columns: dict[str, list[Any]], separator: str = ",") -> Path:
    quoted = [f'"{name}"' if any(sign in name for sign in ', ;"') else name for name in columns]
    lines = [separator.join(quoted)]
    lines += [separator.join("" if x is None else str(x) for x in row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class Importer:
    """Runs the command on a table in a folder of its own."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys

    def run(self, path: Path, *words: str) -> tuple[int, str]:
        """(exit code, what was printed, on both streams)."""
        code = main(["data", "import", str(path), "--name", "mine", "--data-dir", str(self.root / "data"), *words])
        said = self.capsys.readouterr()
        return code, said.out + said.err

    def refuse(self, path: Path, *words: str) -> str:
        """The one sentence of a refusal; nothing was written."""
        code, said = self.run(path, *words)
        assert code == 2, said
        assert said.startswith("mtlbench: ")
        assert said.count("\n") == 1
        assert not (self.root / "data").exists()
        return said

    def answer(self, path: Path, *words: str) -> dict[str, Any]:
        """What --json prints."""
        code, said = self.run(path, "--json", *words)
        assert code == 0, said
        content: dict[str, Any] = json.loads(said)
        return content
