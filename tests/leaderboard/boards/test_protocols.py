"""The protocols that are written down are those of the suites, and no board takes runs of another.

After a new board, or a suite whose protocol moved on purpose:

    python -m tests.leaderboard.boards.test_protocols --write
"""

import json
import sys

import pytest

from bench.planning.plan import parse_suite
from bench.records import ResultRecord
from leaderboard.boards.board import boards
from leaderboard.boards.protocols import FILE, WrittenProtocol, find_departures, name_protocol, read_protocols
from leaderboard.claims import list_claim_files, load_claims
from leaderboard.intake.eligibility import find_ineligible_records
from leaderboard.intake.manifest import Manifest, checksum_bytes
from leaderboard.intake.source_card import parse_cards
from leaderboard.store import StoreContents
from tests.leaderboard.conftest import build_record
from tests.leaderboard.intake.toy import CODE, COST, resealed

PAPER = "nyuv2:backbone=resnet50,size=288x384,training=paper"
KEY = f"{PAPER} under protocol 2"
EMPTY = boards()["nyuv2_paper"].model_copy(update={"seeds": "0-1"})  # which has no committed runs


def of_suites() -> dict[str, WrittenProtocol]:
    """What should be written down: the protocol of every suite that stands on a board."""
    found = {}
    parts = {name_protocol(part): part for board in boards().values() for part in board.parts}
    for name, part in sorted(parts.items()):
        choice, built = parse_suite(part.suite, version=part.protocol)
        found[name] = WrittenProtocol(choice.canonical, choice.entry.version, built.protocol)
    return found


def test_what_is_written_down_is_what_the_suites_have() -> None:
    assert dict(read_protocols()) == of_suites()


def test_committed_runs_are_under_the_protocol_of_their_board(committed_contents: StoreContents) -> None:
    lists = [load_claims(name) for name in list_claim_files()]
    studied = {runs.suite for claims in lists if claims.seeds for runs in claims.compared if not runs.settings}
    plain = [r for r in committed_contents.records if not r.spec.overrides and not r.spec.tuning]
    plain = [r for r in plain if r.suite not in studied]
    parts = {name_protocol(part): part for board in boards().values() for part in board.parts}
    runs = {name: [record for record in plain if part.covers(record)] for name, part in parts.items()}
    assert {record.run_id for own in runs.values() for record in own} == {record.run_id for record in plain}
    assert runs[KEY] == []
    for name, own in runs.items():
        assert [reason for record in own for reason in find_departures(record, read_protocols()[name])] == [], name


def test_boards_of_suites_with_several_versions_say_which() -> None:
    """One that did not would show what is newest in a store: another version until there are runs of its own."""
    parts = [part for board in boards().values() for part in board.parts]
    several = {part.suite for part in parts if parse_suite(part.suite)[1].earlier_protocols}
    assert {"multidigits", "multimnist", "nyuv2", "scenes"} <= several
    assert [part.name for part in parts if part.suite in several and part.protocol is None] == []


def run_of_paper(seed: int, **changed: object) -> ResultRecord:
    """A run for a board that has none; of its statistics nothing but the counts is looked at."""
    expected = read_protocols()[KEY]
    protocol = expected.protocol.model_copy(update={"device": "cuda", **changed})
    states = {task: {"confusion": [[9]], "count": 9} for task in protocol.metrics}
    versions = {"suite/nyuv2": expected.version, "sharing/mine": 1, "weighting/uniform": 1}
    return resealed(
        build_record("mine", seed, cost=COST, created="2026-01-01T00:00:00+00:00"),
        suite=PAPER,
        spec={"suite": expected.suite, "protocol": protocol, "versions": versions},
        tasks=list(protocol.metrics),
        statistics=dict.fromkeys(("val", "per_task", "last"), states),
        scores={},
    )


def said(*records: ResultRecord) -> list[str]:
    """What is said of runs that are submitted to the board."""
    manifest = Manifest(
        name="mine", methods=["mine"], suite=PAPER, board="nyuv2_paper", seeds="0-1", method_sha256=checksum_bytes(CODE)
    )
    cards = list(parse_cards(CODE.decode()))
    return [
        reason for problem in find_ineligible_records(records, manifest, EMPTY, cards, []) for reason in problem.reasons
    ]


@pytest.mark.parametrize(
    ("changed", "fields"),
    [({"lr": 1.0, "split_rule": "all of it"}, "split_rule, lr"), ({"version": 9}, "version")],
)
def test_a_board_without_runs_takes_its_own_protocol_only(changed: dict[str, object], fields: str) -> None:
    assert said(run_of_paper(0), run_of_paper(1)) == []
    wrong = f"protocol: should be that of the board; another is {fields}"
    assert said(*(run_of_paper(seed, **changed) for seed in (0, 1)))[:2] == [wrong] * 2
    other = resealed(run_of_paper(1), spec={"suite": PAPER})
    assert f"spec.suite: should be {read_protocols()[KEY].suite}" in said(run_of_paper(0), other)


def test_runs_of_one_submission_are_alike_where_the_board_has_none() -> None:
    reasons = said(run_of_paper(0), run_of_paper(1, device="cpu"))
    assert reasons[0] == "protocol: should be that of the board's other runs; another is device"


def main() -> int:
    """Write the protocols of all boards down."""
    FILE.write_text(json.dumps({name: each.as_json() for name, each in of_suites().items()}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(f"Found `{' '.join(sys.argv[1:])}`; protocols are written with `--write`.")
    sys.exit(main())
