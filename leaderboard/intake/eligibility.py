"""Whether the runs of a submission are runs of its board: its protocol, its data, its test split, and their own."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bench.errors import UsageError, make_printable
from bench.records import METHOD_PARTS, ResultRecord, digest, parse_call, parse_method, parse_seeds
from leaderboard.boards.board import Board
from leaderboard.boards.protocols import departures, written_protocols
from leaderboard.boards.record_selection import select_records
from leaderboard.intake.manifest import MANIFEST, METHOD, RESULTS, Manifest
from leaderboard.intake.names import find_misnamed
from leaderboard.intake.source_card import Card, read_built_in_cards
from leaderboard.store import Problem
from leaderboard.trust.consistency import numbers, truth
from leaderboard.trust.copies import find_repeated_seeds
from leaderboard.trust.gaps import FAR, find_too_good

MAX_CARDS, MAX_PAPER = 20, 300
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}\Z")


def board_of(manifest: Manifest, boards: Mapping[str, Board]) -> Board:
    """The committed board that a manifest names. Raises ValueError with those that there are."""
    parts = [part for board in boards.values() for part in board.parts]
    board = next((part for part in parts if (part.name, part.suite) == (manifest.board, manifest.suite)), None)
    if board is None:
        known = ", ".join(sorted({f"{part.name} ({part.suite})" for part in parts}))
        raise ValueError(f"board: should be a committed one with its suite, of {known}")
    return board


def find_unannounced_parts(methods: Sequence[str], cards: Sequence[Card], board: Board) -> Iterator[str]:
    """Why methods may not be submitted to a board with the parts that a file registers."""
    own = {card.name for card in cards}
    for method in methods:
        try:
            parts = names_of(method)
        except UsageError as error:
            yield f"methods: {error}"
            continue
        if standing := [known for known in board.methods if known.casefold() == method.casefold()]:
            yield f"methods: `{standing[0]}` stands on the board already"
        elif own and not own & parts:
            yield f"methods: `{method}` should use a part that {METHOD} registers ({', '.join(sorted(own))})"


def find_misregistered_parts(cards: Sequence[Card]) -> Iterator[str]:
    """Why a file may not be submitted with the parts that it registers."""
    if not cards:
        yield 'should register a class, with @register("its_name") above it'
    if len(cards) > MAX_CARDS:
        yield f"should register at most {MAX_CARDS} classes, found {len(cards):,}"
        return
    names = [card.name.lower() for card in cards]  # folders and addresses do not tell `Mine` from `mine`
    for card in {card.name.lower(): card for card in cards}.values():
        name = make_printable(card.name, 60)
        if not NAME.match(card.name):
            yield f"`{name}` should be a name of letters, digits and `_`, 60 at most"
        elif card.name.lower() in {known.lower() for known in read_built_in_cards()}:
            yield f"`{name}` should be a name of its own: a part that comes with the project has it"
        elif names.count(card.name.lower()) > 1:
            yield f"`{name}` should be registered once"
        if len(card.paper) > MAX_PAPER or not card.paper.isprintable():
            yield f"`{name}`: its paper should be one line, {MAX_PAPER} characters at most"


def find_ineligible_records(
    records: Sequence[ResultRecord],
    manifest: Manifest,
    board: Board,
    cards: Sequence[Card],
    committed: Iterable[ResultRecord],
) -> Iterator[Problem]:
    """Where sound records are not the runs that a manifest announces, or not runs of the board."""
    known = list(committed)
    if board.curve:
        yield Problem(MANIFEST, [f"board: should have methods as they come, `{board.name}` has each at its own best"])
    runs = select_records(board.without_controls(), known).records
    timed = {_numbers_and_times(run): run for run in runs.values()}
    copied = find_repeated_seeds(records, known)
    seeds, seen = parse_seeds(manifest.seeds), set[tuple[str, int]]()
    spelt: dict[str, str] = {}
    parts = {card.name: card for card in cards}
    written = written_protocols().get(board.suite)
    first = {(record.method, record.spec.seed): record for record in records[:1]}  # what all are like on an empty board
    for record in records:
        key = record.method, record.spec.seed
        reasons = [*_find_unannounced(record, manifest, seeds, cards), *find_misnamed(record, parts)]
        reasons += _find_board_mismatches(record, runs or first, cards)
        said = {reason.partition(":")[0] for reason in reasons}
        reasons += [r for r in departures(record, written) if r.partition(":")[0] not in said] if written else []
        if key in seen:
            reasons.append(f"seed: `{record.method}` seed {record.spec.seed} should be there once")
        if spelt.setdefault(record.method, record.spec.method) != record.spec.method:
            reasons.append(f"spec.method: should be {spelt[record.method]} for every seed")
        if other := copied.get(record.run_id):
            reasons.append(f"curves: are those of `{other.method}` seed {other.spec.seed}; seeds differ by more")
        elif other := timed.get(_numbers_and_times(record)):
            reasons.append(
                f"statistics: should not be, to the last digit, those of `{other.method}` seed {other.spec.seed}"
            )
        if reasons:
            yield Problem(f"{RESULTS}/{record.run_id}.json", reasons)
        else:
            seen.add(key)
    if wrong := list(find_too_good(records, runs.values(), FAR)):
        yield Problem(RESULTS, wrong)
    wanted = {(method, seed) for method in manifest.methods for seed in seeds}
    if absent := sorted(wanted - seen):
        method, seed = absent[0]
        more = f", and {len(absent) - 1} more" if len(absent) > 1 else ""
        yield Problem(RESULTS, [f"no sound record of `{method}` seed {seed}{more}"])


def _numbers_and_times(record: ResultRecord) -> str:
    """What two runs share only where one is a copy of the other: two that compute the same take other times."""
    return digest([numbers(record), record.cost and record.cost.model_dump()])


def _find_unannounced(
    record: ResultRecord, manifest: Manifest, seeds: Sequence[int], cards: Sequence[Card]
) -> Iterator[str]:
    spec = record.spec
    if record.status != "done":
        yield "status: should be done"
    if record.suite != manifest.suite:
        yield f"suite: should be {manifest.suite}, found {record.suite[:100]}"
    if record.method not in manifest.methods:
        yield f"method: should be one of {MANIFEST}, found {record.method[:100]}"
    if spec.seed not in seeds:
        yield f"seed: should be one of {manifest.seeds}, found {spec.seed}"
    announced = {f"{kind}/{card.name}": manifest.method_sha256 for kind in METHOD_PARTS for card in cards}
    if not spec.code.items() <= announced.items():
        yield f"spec.code: should be the checksum of {METHOD}, of the parts that it registers"
    if spec.overrides or spec.tuning:
        yield "spec: should be the board's protocol as it is, without settings or a search"
    if not record.created or record.cost is None:
        yield "created, cost: should be there"


def _find_board_mismatches(
    record: ResultRecord, runs: Mapping[tuple[str, int], ResultRecord], cards: Sequence[Card]
) -> Iterator[str]:
    """What tells a record apart from the board's own: a table shows one protocol, one version, one set of data."""
    if not runs:
        return
    of_seed = [run for run in runs.values() if run.spec.seed == record.spec.seed]
    like = (of_seed or list(runs.values()))[0]
    spec, board = record.spec, like.spec
    mine, theirs = spec.protocol.model_dump(), board.protocol.model_dump()
    if different := [name for name in mine if mine[name] != theirs[name]]:
        yield f"protocol: should be that of the board's other runs; another is {', '.join(different)}"
    if spec.suite != board.suite:
        yield f"spec.suite: should be {board.suite}"
    if spec.data != board.data:
        yield "data: should have the checksum of the board's other runs"
    yield from _versions(record, runs.values(), cards)
    if record.status != "done":
        return
    if record.tasks != like.tasks:
        yield f"tasks: should be {', '.join(like.tasks)}"
    elif of_seed and spec.data == board.data and truth(record, "last") != truth(like, "last"):
        yield "statistics: should count the labels of the test split, as the board's other runs do"
    if bool(record.curves.val) < bool(like.curves.val) or bool(record.curves.train_loss) < bool(like.curves.train_loss):
        yield "curves: should be there, as in the board's other runs"


def _versions(record: ResultRecord, runs: Iterable[ResultRecord], cards: Sequence[Card]) -> Iterator[str]:
    """A version for the suite and for every part of the method, none else, and that of the code."""
    parsed, found = parse_method(record.spec.method), record.spec.versions
    parts = {"sharing": parsed.sharing, "constraint": parsed.constraint, "weighting": parsed.weighting}
    wanted = {f"{kind}/{call.name}" for kind, call in parts.items() if call}
    wanted.add(f"suite/{parse_call(record.spec.suite).name}")
    if found.keys() != wanted:
        yield f"versions: should be those of {', '.join(sorted(wanted))}"
    known = {name: version for run in runs for name, version in run.spec.versions.items()}
    known |= {f"{kind}/{card.name}": card.version for kind in parts for card in cards}
    for name in sorted(wanted & found.keys() & known.keys()):
        if found[name] != known[name]:
            yield f"versions.{name}: should be {known[name]}, found {found[name]}"


def names_of(method: str) -> set[str]:
    """The names of a method's parts. Raises UsageError where it cannot be read."""
    parsed = parse_method(method)
    return {call.name for call in (parsed.sharing, parsed.constraint, parsed.weighting) if call}
