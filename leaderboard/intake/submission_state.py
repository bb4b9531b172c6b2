"""What became of each submission: accepted, waiting or refused, with the reasons, and how far it was verified."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from leaderboard.intake.submission import Submission
from leaderboard.trust.ledger import LedgerEntry, VerificationState, find_row_state

SubmissionStatus = Literal["accepted", "waiting", "refused"]


@dataclass(frozen=True)
class JudgedSubmission:
    """A submission with its state.

    Attributes:
        submission: as it was read.
        status: `refused` where something is wrong with it, so that it stands on no board; `waiting` where it is sound
            by itself and stands on its board, but no verification has looked at all of its records; else `accepted`.
        reasons: everything that is wrong, one sentence each; none unless it is refused.
        verified: how far its least checked record was verified.
    """

    submission: Submission
    status: SubmissionStatus
    reasons: tuple[str, ...]
    verified: VerificationState


def judge_submissions(
    submissions: Iterable[Submission], checks: Mapping[str, LedgerEntry]
) -> tuple[JudgedSubmission, ...]:
    """The state of each submission, in their order; of two with one method on one board the earlier one counts.

    Args:
        submissions: as `find_submissions` reads them.
        checks: digest -> what verification found out, of `collect_checks`.
    """
    taken: dict[tuple[str, str, str], str] = {}  # (board, suite, method) -> the submission that has its row
    judged = []
    for each in submissions:
        reasons = [f"{problem.path}: {reason}" for problem in each.problems for reason in problem.reasons]
        if each.manifest is None and not reasons:
            reasons = ["the manifest cannot be read"]
        if each.manifest and not reasons:
            manifest = each.manifest
            keys = {(manifest.board, manifest.suite, method.casefold()): method for method in manifest.methods}
            reasons = [
                f"`{method}` stands on the board already, by the submission `{taken[key]}`"
                for key, method in keys.items()
                if key in taken
            ]
            taken |= {} if reasons else dict.fromkeys(keys, manifest.name)
        verified = find_row_state(each.records, dict(checks))
        status: SubmissionStatus = "refused" if reasons else "waiting" if verified == "reported" else "accepted"
        judged.append(JudgedSubmission(each, status, tuple(reasons), verified))
    return tuple(judged)
