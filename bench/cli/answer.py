"""What a process that holds somebody else's file against the contract may answer."""

from pydantic import BaseModel, ConfigDict


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Told(_Strict):
    """One rule, as `mtlbench check --json` prints it."""

    subject: str
    rule: str
    passed: bool
    advice: str


class Answer(_Strict):
    """Every rule that was checked, or the error of whoever wrote the file."""

    outcomes: list[Told] = []
    error: str = ""
