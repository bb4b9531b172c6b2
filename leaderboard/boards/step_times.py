"""How long an update of each method of a board takes, measured on a quiet machine, beside that of the reference.

Records have times of their own, taken beside whatever else ran on the machine, so that no table shows them. The files
`leaderboard/step_times/BOARD.json` are written by `mtlbench perf --board BOARD`.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import UsageError
from bench.records import Protocol, explain_invalid

STEP_TIMES = Path(__file__).parents[1] / "step_times"
QUIET = 0.95  # share of a processor that the measurement had, at least; another process takes a half of it
# What of a protocol an update's time depends on. Rates and budgets do not change it.
OF_UPDATES = ("batch_size", "optimiser", "precision", "device")


class StepTime(BaseModel):
    """The time of one update of a method.

    ms: its median, in milliseconds.
    ratio, low, high: the median and the quartiles over rounds of its time over that of the reference beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ms: float = Field(gt=0)
    ratio: float = Field(gt=0)
    low: float = Field(gt=0)
    high: float = Field(gt=0)


class PartTimes(BaseModel):
    """The times on one suite of a board: `settings` are those of OF_UPDATES, `methods` has the reference too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, int | str]
    methods: dict[str, StepTime]


class BoardTimes(BaseModel):
    """What `mtlbench perf --board` measured in one process, one thread, blocks of the two methods in turn.

    Attributes:
        board, reference: names of the board and of the method that the others stand beside.
        machine: class of the hardware, as records have it.
        versions: package -> version.
        created: the day, in ISO 8601.
        rounds: pairs of blocks for each method.
        share: time of the processor over time on the clock; below QUIET something else was running.
        suites: suite -> its times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    board: str
    reference: str
    machine: str
    versions: dict[str, str]
    created: str
    rounds: int = Field(ge=1)
    share: float = Field(ge=0)
    suites: dict[str, PartTimes]

    @property
    def quiet(self) -> bool:
        """Whether nothing else took the processor for long: only such times are shown."""
        return self.share >= QUIET

    def times_of(self, suite: str, protocol: Protocol | None) -> Mapping[str, StepTime]:
        """Method -> its time on `suite`; empty where nobody measured it, not quietly, or for updates of another kind.

        protocol: that of the runs which are shown.
        """
        part = self.suites.get(suite)
        if part is None or not self.quiet or protocol is None or part.settings != settings_of_updates(protocol):
            return {}
        return part.methods


def settings_of_updates(protocol: Protocol) -> dict[str, int | str]:
    """The settings of a protocol that an update's time depends on."""
    return {name: getattr(protocol, name) for name in OF_UPDATES}


def read_step_times(board: str, folder: Path | None = None) -> BoardTimes | None:
    """The times of a board; None where nobody measured them. Raises UsageError where the file is malformed.

    folder: of the files; None for the committed ones.
    """
    # By the names that there are: a board of a suite has a text of any record for its name, which may be no path.
    path = {path.stem: path for path in (folder or STEP_TIMES).glob("*.json")}.get(board)
    if path is None:
        return None
    try:
        return BoardTimes.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UsageError(f"`{path.name}` should hold step times of a board. {explain_invalid(error)}") from error
