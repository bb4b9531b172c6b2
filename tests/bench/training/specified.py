"""Short runs by their specification, and what should be equal of two records."""

from typing import Any

from bench.planning.plan import plan
from bench.records import ResultRecord, RunSpec

SHORT = {"epochs": "2", "steps_per_epoch": "4"}


def specify(method: str = "hard", suite: str = "synthetic:tasks=3", seed: int = 0, **settings: str) -> RunSpec:
    """The specification of a run of eight updates under the suite's own protocol."""
    [spec] = plan(suite, [method], [seed], SHORT | settings, device="cpu")
    return spec


def content(record: ResultRecord) -> dict[str, Any]:
    """What should not depend on when and how fast a run was made."""
    kept = record.model_dump(exclude={"digest", "created", "cost"})
    assert record.cost is not None
    return kept | {"parameters": record.cost.parameters, "flops": record.cost.forward_flops}
