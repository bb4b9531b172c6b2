"""RunSpec: everything that can change a number, and the run id that is a hash of it.

Planning makes specifications, training carries them out, and every store is keyed by their ids.
"""

from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.records.canonical import digest
from bench.records.protocol import Protocol


class Tuning(BaseModel):
    """The place of a run in a search: a trial, scored on validation only, or a run of what won.

    of: the method that was tuned, as tables list it.
    trial: number of the draw, counted from 0; 0 for `best`.
    stage: `trial` while searching at random; `final` for the trial that won, on the seeds of a board; `best` for the
        value that validation chose along the method's curve, on seeds that did not choose it.
    edges: settings whose draw is an end of their grid, since a better value may lie beyond.
    design: how trials were drawn: `random`, one seed each, draws may repeat; `sobol`, several seeds each, no two alike,
        over what has an effect on the method. Trials of two designs are never compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: str
    trial: int = Field(ge=0)
    stage: Literal["trial", "final", "best"]
    edges: tuple[str, ...] = ()
    design: Literal["random", "sobol"] = "random"  # runs from before there was another keep their names


class RunSpec(BaseModel):
    """One cell of a table: a suite, a method and a seed under a protocol.

    suite, method: canonical, with defaults filled and keys sorted.
    versions: the integer version of every part named in them, as `sharing/hard` -> 1.
    data: checksum of the data that will be used.
    overrides: settings that differ from the protocol of the suite; such a run is on no board.
    code: SHA-256 of the source of every part that does not come with the project: another text is
        another run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    method: str
    seed: int = Field(ge=0, lt=10**9)  # as many digits as a list of seeds may have
    protocol: Protocol
    versions: dict[str, int]
    data: str
    overrides: dict[str, Any] = Field(
        default_factory=dict, description="what `--set`, or a draw of a random search, changed in the protocol"
    )
    code: dict[str, str] = Field(
        default_factory=dict, description="part, as in `versions` -> SHA-256 of its plug-in's source"
    )
    tuning: Tuning | None = Field(default=None, description="where the run is part of a random search")

    @property
    def is_best_of_curve(self) -> bool:
        """Whether it is a method at the value that validation chose along its own curve, as rows of boards are."""
        return self.tuning is not None and self.tuning.stage == "best"

    @property
    def is_trial(self) -> bool:
        """Whether the run is scored on validation only, without a look at the test split."""
        return self.tuning is not None and self.tuning.stage == "trial"

    @property
    def is_of_search(self) -> bool:
        """Whether the run belongs to a random search, as a trial or as a run of its winner."""
        return self.tuning is not None and self.tuning.stage != "best"

    @cached_property
    def stack_key(self) -> str:
        """What runs that may be trained as one stack have in common: everything but the seed and the learning rate."""
        protocol = self.protocol.model_copy(update={"lr": 1.0})
        overrides = {key: value for key, value in self.overrides.items() if key != "lr"}
        return self.vary(seed=0, protocol=protocol, overrides=overrides).run_id

    def vary(self, **values: Any) -> "RunSpec":
        """The same specification but for `values`, validated, with the run id of its own."""
        # Not `model_copy`: it skips validation, and would copy the cached run id of this one.
        return RunSpec(**{name: getattr(self, name) for name in type(self).model_fields} | values)

    @cached_property
    def run_id(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the canonical specification.

        Values that equal their default are left out, so that a protocol can gain a setting whose default
        means "as before" without renaming the runs that were made before it.
        """
        return digest(self.model_dump(mode="json", exclude_defaults=True))[:16]
