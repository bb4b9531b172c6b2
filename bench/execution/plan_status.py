"""What became of planned cells: stored before, done now, failed, or still to run."""

from dataclasses import dataclass, field
from typing import Any

from bench.records import RunSpec


@dataclass
class PlanStatus:
    """Status of the planned cells: run id -> `stored`, `planned`, `done` or `failed`."""

    specs: list[RunSpec]
    status: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    def count(self, status: str) -> int:
        """Cells with this status."""
        return sum(value == status for value in self.status.values())

    @property
    def missing(self) -> list[RunSpec]:
        """Cells that are planned and not run yet."""
        return [spec for spec in self.specs if self.status[spec.run_id] == "planned"]

    @property
    def to_run(self) -> int:
        """Cells that were not in the store."""
        return len(self.specs) - self.count("stored")

    def as_json(self) -> dict[str, Any]:
        """The shape `run --json` prints."""
        return {
            "planned": len(self.specs),
            "stored": self.count("stored"),
            "to_run": self.to_run,
            "done": self.count("done"),
            "failed": self.count("failed"),
            "cells": [
                {
                    "run_id": spec.run_id,
                    "suite": spec.suite,
                    "method": spec.method,
                    "seed": spec.seed,
                    "status": self.status[spec.run_id],
                }
                for spec in self.specs
            ],
        }
