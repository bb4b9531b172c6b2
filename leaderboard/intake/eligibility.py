"""Checks whether the runs of a submission belong on its board: the same protocol, data and test split, and no copies.

`mtlbench submit` calls `find_unannounced_parts` and `find_misregistered_parts` before it trains anything; reading a
submission calls all of them. The records are known to be sound by themselves (`soundness`) when they arrive here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bench.errors import UsageError, make_printable
from bench.records import METHOD_PARTS, ResultRecord, digest, parse_call, parse_method, parse_seeds
from leaderboard.boards.board import Board
from leaderboard.boards.protocols import find_departures, name_protocol, read_protocols
from leaderboard.boards.record_selection import select_records
from leaderboard.intake.manifest import MANIFEST, METHOD, RESULTS, Manifest
from leaderboard.intake.names import find_misnamed
from leaderboard.intake.source_card import Card, read_built_in_cards
from leaderboard.store import Problem
from leaderboard.trust.consistency import count_labels, digest_numbers
from leaderboard.trust.copies import find_repeated_seeds
from leaderboard.trust.gaps import FAR, find_too_good

MAX_CARDS = 20  # parts of one file; a method is made of three at most
MAX_PAPER = 300  # characters: it is one line of a page
# Plain words only: a part's name becomes a file name, an address on the site and a word of the command line.
PART_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}\Z")


def find_manifest_board(manifest: Manifest, boards: Mapping[str, Board]) -> Board:
    """Find the committed board, or the part of one, that a manifest names by its name and suite.

    Raises:
        ValueError: there is none; the sentence lists those that exist.
    """
    parts = [part for board in boards.values() for part in board.parts]
    board = next((part for part in parts if (part.name, part.suite) == (manifest.board, manifest.suite)), None)
    if board is None:
        known = ", ".join(sorted({f"{part.name} ({part.suite})" for part in parts}))
        raise ValueError(f"board: should be a committed one with its suite, of {known}")
    return board


def find_unannounced_parts(methods: Sequence[str], cards: Sequence[Card], board: Board) -> Iterator[str]:
    """Check the method names of a manifest against the parts that its file registers and the rows of the board.

    Returns:
        One sentence for each method that cannot be read, is on the board already in whatever case, or uses no part of
        the file. A file without any part is left to `find_misregistered_parts`.
    """
    own = {card.name for card in cards}
    for method in methods:
        try:
            parts = list_part_names(method)
        except UsageError as error:
            yield f"methods: {error}"
            continue
        if taken := [known for known in board.methods if known.casefold() == method.casefold()]:
            yield f"methods: `{taken[0]}` stands on the board already"
        elif own and not own & parts:
            # Else the submission would be a row of built-in parts, with a file that has nothing to do with it.
            yield f"methods: `{method}` should use a part that {METHOD} registers ({', '.join(sorted(own))})"


def find_misregistered_parts(cards: Sequence[Card]) -> Iterator[str]:
    """Check the names and papers of the parts that a submitted file registers.

    Returns:
        One sentence per mistake: no part or more than MAX_CARDS of them, a name that is not a plain word, is that of a
        built-in part or is registered twice, or a paper of several lines.
    """
    if not cards:
        yield 'should register a class, with @register("its_name") above it'
    if len(cards) > MAX_CARDS:
        yield f"should register at most {MAX_CARDS} classes, found {len(cards):,}"
        return
    names = [card.name.lower() for card in cards]  # folders and addresses do not tell `Mine` from `mine`
    for card in {card.name.lower(): card for card in cards}.values():
        name = make_printable(card.name, 60)
        if not PART_NAME.match(card.name):
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
    """Find the records of a submission that its manifest does not announce or that do not belong on the board.

    Protocol, data, versions and label counts should be those of the board's runs, or of the first record where the
    board has none, and the protocol that of `boards/protocols.json` in both cases.

    Args:
        records: the submission's records, each sound by itself.
        manifest: what the submission announces: methods, seeds and the checksum of the code.
        board: the board of `find_manifest_board`.
        cards: the parts that the submission's file registers.
        committed: the records of the store; those of the board without its controls count as its runs.

    Returns:
        A problem for each record with every reason against it, then one for test errors far below validation errors,
        and one for cells of the manifest without an eligible record.
    """
    known = list(committed)
    if board.curve:
        yield Problem(MANIFEST, [f"board: should have methods as they come, `{board.name}` has each at its own best"])
    runs = select_records(board.without_controls(), known).records
    timed = {_digest_numbers_and_costs(run): run for run in runs.values()}
    copied = find_repeated_seeds(records, known)
    seeds, seen = parse_seeds(manifest.seeds), set[tuple[str, int]]()
    spelt: dict[str, str] = {}
    parts = {card.name: card for card in cards}
    written = read_protocols().get(name_protocol(board))
    first = {(record.method, record.spec.seed): record for record in records[:1]}  # what all are like on an empty board
    for record in records:
        key = record.method, record.spec.seed
        reasons = [*_find_unannounced(record, manifest, seeds, cards), *find_misnamed(record, parts)]
        reasons += _find_board_mismatches(record, runs or first, cards)
        said = {reason.partition(":")[0] for reason in reasons}
        # A key that was named above is not named again: runs and written protocol mostly disagree in the same setting.
        reasons += [r for r in find_departures(record, written) if r.partition(":")[0] not in said] if written else []
        if key in seen:
            reasons.append(f"seed: `{record.method}` seed {record.spec.seed} should be there once")
        if spelt.setdefault(record.method, record.spec.method) != record.spec.method:
            reasons.append(f"spec.method: should be {spelt[record.method]} for every seed")
        if other := copied.get(record.run_id):
            reasons.append(f"curves: are those of `{other.method}` seed {other.spec.seed}; seeds differ by more")
        elif other := timed.get(_digest_numbers_and_costs(record)):
            # A copied run of the same seed, which `find_repeated_seeds` does not look for.
            reasons.append(
                f"statistics: should not be, to the last digit, those of `{other.method}` seed {other.spec.seed}"
            )
        # Only an eligible record fills its cell, so a refused one is also listed as missing below.
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


def _digest_numbers_and_costs(record: ResultRecord) -> str:
    """Digest of all numbers and measured costs of a run.

    Two methods that compute the same model share the numbers but never the times, so equal digests mean a copied
    record.
    """
    return digest([digest_numbers(record), record.cost and record.cost.model_dump()])


def _find_unannounced(
    record: ResultRecord, manifest: Manifest, seeds: Sequence[int], cards: Sequence[Card]
) -> Iterator[str]:
    """Reasons why a record is not one of the runs that the manifest announces.

    A run is announced if it is finished, has a method, seed and suite of the manifest, was trained with the manifest's
    code under the board's own protocol, and says when it was made and what it cost.
    """
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
    # Parts that are built in have no checksum; any other part has to be from the file that people can read.
    if not spec.code.items() <= announced.items():
        yield f"spec.code: should be the checksum of {METHOD}, of the parts that it registers"
    if spec.overrides or spec.tuning:
        yield "spec: should be the board's protocol as it is, without settings or a search"
    if not record.created or record.cost is None:
        yield "created, cost: should be there"


def _find_board_mismatches(
    record: ResultRecord, runs: Mapping[tuple[str, int], ResultRecord], cards: Sequence[Card]
) -> Iterator[str]:
    """Reasons why a record cannot be compared with the board's other runs.

    A table shows one protocol, one version of each part and one set of data. The run of the same seed is compared where
    there is one: only runs of one seed have the same test split in suites that draw their data.

    Args:
        record: a record of the submission.
        runs: (method, seed) -> the runs it is compared with; without any there is nothing to say.
        cards: the parts of the submission, whose versions the record should name.
    """
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
    yield from _find_wrong_versions(record, runs.values(), cards)
    if record.status != "done":
        return
    if record.tasks != like.tasks:
        yield f"tasks: should be {', '.join(like.tasks)}"
    elif of_seed and spec.data == board.data and count_labels(record, "last") != count_labels(like, "last"):
        # Label counts depend on the seed where a suite draws its data, so only a run of the same seed can tell.
        yield "statistics: should count the labels of the test split, as the board's other runs do"
    if bool(record.curves.val) < bool(like.curves.val) or bool(record.curves.train_loss) < bool(like.curves.train_loss):
        yield "curves: should be there, as in the board's other runs"


def _find_wrong_versions(record: ResultRecord, runs: Iterable[ResultRecord], cards: Sequence[Card]) -> Iterator[str]:
    """Reasons why the versions of a record are wrong.

    There should be one for the suite and one for each part of the method, and no other; each equals that of the board's
    runs, or that of the card for a submitted part.
    """
    parsed, stated = parse_method(record.spec.method), record.spec.versions
    parts = {"sharing": parsed.sharing, "constraint": parsed.constraint, "weighting": parsed.weighting}
    wanted = {f"{kind}/{call.name}" for kind, call in parts.items() if call}
    wanted.add(f"suite/{parse_call(record.spec.suite).name}")
    if stated.keys() != wanted:
        yield f"versions: should be those of {', '.join(sorted(wanted))}"
    known = {name: version for run in runs for name, version in run.spec.versions.items()}
    # A card does not know its kind, so its version counts under each; a name has one kind in a submission.
    known |= {f"{kind}/{card.name}": card.version for kind in parts for card in cards}
    for name in sorted(wanted & stated.keys() & known.keys()):
        if stated[name] != known[name]:
            yield f"versions.{name}: should be {known[name]}, found {stated[name]}"


def list_part_names(method: str) -> set[str]:
    """Names of the sharing, the constraint and the weighting that a method text spells out.

    Raises:
        UsageError: the text is no method.
    """
    parsed = parse_method(method)
    return {call.name for call in (parsed.sharing, parsed.constraint, parsed.weighting) if call}
