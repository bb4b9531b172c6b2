"""RunSpec: everything that can change a number, and the run id that is a hash of it."""

from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bench.records.canonical import digest
from bench.records.protocol import Protocol


class RunSpec(BaseModel):
    """One cell of a table: a suite, a method and a seed under a protocol.

    `suite` and `method` are canonical (defaults filled, keys sorted); `versions` holds the integer
    version of every part named in them; `data` is the checksum of the data that will be used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    method: str
    seed: int = Field(ge=0)
    protocol: Protocol
    versions: dict[str, int]
    data: str
    overrides: dict[str, Any] = Field(default_factory=dict, description="what `--set` changed in the protocol")

    @cached_property
    def run_id(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the canonical specification.

        Values that equal their default are left out, so that a protocol can gain a setting whose default
        means "as before" without renaming the runs that were made before it.
        """
        return digest(self.model_dump(mode="json", exclude_defaults=True))[:16]
