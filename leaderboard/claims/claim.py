"""What a claim is: a sentence, the runs that decide it, and the sign that it expects."""

from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bench.errors import UsageError, quote_nearest
from bench.records import parse_seeds
from leaderboard.claims.toml_file import read_toml

FILES = Path(__file__).parent


class ComparedRuns(NamedTuple):
    """What is run on every seed for one side of a gain: a method on a suite, with changes to its protocol."""

    suite: str
    method: str
    settings: dict[str, str]


class Gain(BaseModel):
    """A difference between two methods on one task of a suite, a number for each seed.

    By default it is Δ log, log(error of `against` / error of `method`) on the test split, each task at its own best
    epoch. With `blocks` = [A, B] it is by how much more the task uses block A of its inputs than block B, as probes
    found, less the same of `against` where there is one.

    Attributes:
        suite, method, against: short or canonical names; `against` may be empty where there are `blocks`.
        task: whose error; empty for the mean over all tasks.
        metric: of the task, as `subset_accuracy`, whose distance from its best value stands in the place of the primary
            error; the primary error where it is empty. A run at the best value has no logarithm, and is left out.
        settings: what the runs of `method` change in the protocol, as `--set` takes it. Where it is empty, runs at the
            value that the method's own curve chose count, or plain ones.
        against_settings: those of `against`.
        against_suite: where `against` was run; on the same suite where it is empty. Seeds should draw the same problem.
        blocks: of inputs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    method: str = "hard"
    against: str = "single_task"
    task: str = ""
    metric: str = ""
    settings: dict[str, str] = {}
    against_settings: dict[str, str] = {}
    against_suite: str = ""
    blocks: list[str] = []

    @property
    def compared(self) -> list[ComparedRuns]:
        """The runs of `method`, and those of `against` where there is one."""
        runs = [ComparedRuns(self.suite, self.method, self.settings)]
        if self.against:
            runs.append(ComparedRuns(self.against_suite or self.suite, self.against, self.against_settings))
        return runs

    @model_validator(mode="after")
    def _check_blocks(self) -> "Gain":
        """Blocks are compared two at a time, and an error is compared with another's."""
        if len(self.blocks) not in (0, 2):
            raise ValueError(f"`blocks` should be two names, or none. Found {len(self.blocks)}.")
        if self.metric and (self.blocks or not self.task):
            raise ValueError("`metric` should stand beside a `task`, and without `blocks`. Found otherwise.")
        if self.blocks and not self.task:
            raise ValueError("`task` should be named where there are `blocks`. Found none.")
        if not self.blocks and not self.against:
            raise ValueError("`against` should be a method where there are no `blocks`. Found none.")
        return self


class Claim(Gain):
    """A claim: that a gain is positive, negative, or none.

    Attributes:
        name: in few words.
        text: the claim as a sentence.
        section: of the work that it is from.
        expected: `more` than nothing, `less`, the `same` within 5 % of error, `no more` or `no less`.
        beyond: another gain, which is subtracted seed by seed: the claim is of the difference.
    """

    name: str
    text: str
    section: str = ""
    expected: Literal["more", "less", "same", "no more", "no less"] = "more"
    beyond: Gain | None = None


class ClaimList(BaseModel):
    """The claims of one file, in the order of the work that they are from; one family of tests.

    Attributes:
        title: for people.
        source: of the claims.
        seeds: of a study, whose runs follow from its claims alone, as in `0-9`; empty where boards make the runs.
        claims: at least one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    source: str
    seeds: str = ""
    claims: list[Claim] = Field(min_length=1)

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, text: str) -> str:
        """As those of a board."""
        if text:
            parse_seeds(text)
        return text

    @property
    def compared(self) -> list[ComparedRuns]:
        """What is run for the claims, each once, in their order."""
        gains = [gain for claim in self.claims for gain in (claim, claim.beyond) if gain]
        return list({str(runs): runs for gain in gains for runs in gain.compared}.values())


def list_claim_files(folder: Path = FILES) -> dict[str, Path]:
    """Name -> file of claims."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_claims(name: str, folder: Path = FILES) -> ClaimList:
    """The claims of a file. Raises UsageError for a name that there is not, ValueError for a malformed file."""
    files = list_claim_files(folder)
    if name not in files:
        raise UsageError(f"There are no claims `{name}`; the nearest: {quote_nearest(name, files)}.")
    return read_toml(files[name], ClaimList)
