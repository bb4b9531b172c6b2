"""Submissions: a method in one file with its runs, as a folder that anybody can check and nobody has to trust.

    NAME/method.py            the code, which reading a submission never runs
    NAME/submission.toml      what is submitted: methods, suite, board, seeds, who
    NAME/results/RUN_ID.json  one record per method and seed

A submission stands on its board while its folder lies in `submissions` beside the store. `mtlbench submit` makes such
folders, `mtlbench verify` reads one with everything that is wrong with it, and tables and the site add the sound ones
to their boards.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import make_printable
from bench.records import ResultRecord, parse_seeds
from leaderboard.boards.board import Board
from leaderboard.intake.eligibility import find_ineligible_records, find_manifest_board, find_unannounced_parts
from leaderboard.intake.folder import find_strays, load_cards, load_manifest, load_records
from leaderboard.intake.manifest import MANIFEST, RESULTS, SUBMISSIONS_FOLDER, Manifest
from leaderboard.intake.source_card import Card
from leaderboard.store import Problem, StoreContents
from leaderboard.trust.copies import count_same_models, find_repeated_seeds
from leaderboard.trust.gaps import find_too_good


@dataclass(frozen=True)
class Submission:
    """A folder that was read: its manifest, its records, the cards of its code, and everything wrong with it.

    `manifest` is None where it cannot be read. `problems` keep a submission off its board; `notes` are remarks for
    whoever reviews it, none of which is wrong by itself. `records` and `cards` hold what could be read, also of an
    unsound folder.
    """

    folder: Path
    manifest: Manifest | None
    records: list[ResultRecord] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether the manifest was read and there is no problem."""
        return self.manifest is not None and not self.problems


def read_submission(folder: Path, boards: Mapping[str, Board], committed: Iterable[ResultRecord]) -> Submission:
    """Read a submission and check it against the board that it is for; nothing is run, written or raised.

    Args:
        folder: the submission's folder, whose content may be hostile.
        boards: the committed boards by name.
        committed: the records of the store, which decide the board's protocol, data and versions.

    Returns:
        The submission with all of its problems at once, so that its author can mend them in one go.
    """
    # Two lists that every step extends, so that what was noticed before a failure is kept.
    problems, notes, known = list[Problem](), list[str](), list(committed)
    submission = Submission(folder, None, problems=problems, notes=notes)
    try:
        problems += find_strays(folder)
        manifest = load_manifest(folder, problems)
        cards = load_cards(folder, manifest, problems, notes)
        records = load_records(folder, problems)
        submission = Submission(folder, manifest, records, cards, problems, notes)
        if manifest:
            problems += _find_mismatches(folder, manifest, cards, records, boards, known)
            # Runs under other settings or another protocol would widen what counts as usual on the board.
            versions = {record.spec.protocol.version for record in records}
            own = [record for record in known if record.suite == manifest.suite and not record.spec.overrides]
            own = [record for record in own if record.spec.protocol.version in versions]
            notes += [*find_too_good(records, own), *find_resembling(records, own)]
    except Exception as error:  # a hostile folder may break any line of its own check; it is named, never raised
        problems.append(Problem(".", [f"cannot be checked ({type(error).__name__}: {str(error)[:200]})"]))
    return submission


def find_resembling(records: Sequence[ResultRecord], others: Sequence[ResultRecord], whose: str = "") -> list[str]:
    """Find methods whose runs equal those of another method beyond chance (`trust/copies`).

    Args:
        records: runs of the methods in question.
        others: the runs that they are compared with.
        whose: text after the other method's name, as " of the submission `x`".

    Returns:
        One sentence per pair that is alike at half of the method's seeds or more; the reader judges whether that is a
        copy or the same model, which two honest methods may compute.
    """
    seeds = Counter(record.method for record in records)
    return [
        f"`{method}` comes out as `{other}`{whose} at {count} of {seeds[method]} seeds: the same model, or a copy of it"
        for (method, other), count in count_same_models(records, others).items()
        if 2 * count >= seeds[method]
    ]


def compare_with_others(submission: Submission, boards: Mapping[str, Board], committed: Iterable[ResultRecord]) -> None:
    """Compare a submission with the other ones in its folder `submissions`; extends its problems and notes in place.

    Problems are a method of the same name on the same board, in whatever case, and runs that are alike at different
    seeds. Methods that resemble another submission's become notes. A folder elsewhere has no others, and nothing
    happens.
    """
    manifest, known = submission.manifest, list(committed)
    # Resolved, since `.` and `submissions/../submissions/x` have other names than the folder.
    place = submission.folder.resolve()
    for folder in sorted(place.parent.iterdir()) if manifest and place.parent.name == SUBMISSIONS_FOLDER else ():
        if folder == place or folder.is_symlink() or not (folder / MANIFEST).is_file():
            continue
        other = read_submission(folder, boards, known)
        if manifest is None or other.manifest is None or other.manifest.suite != manifest.suite:
            continue
        name = other.manifest.name
        names = {method.casefold(): method for method in other.manifest.methods}
        taken = [names[method.casefold()] for method in manifest.methods if method.casefold() in names]
        if taken and other.manifest.board == manifest.board:
            reason = f"methods: `{taken[0]}` is that of the submission `{name}`"
            submission.problems.append(Problem(MANIFEST, [reason]))
        for run, like in find_repeated_seeds(submission.records, other.records).items():
            reason = f"curves: are those of `{like.method}` seed {like.spec.seed} of the submission `{name}`"
            submission.problems.append(Problem(f"{RESULTS}/{run}.json", [reason]))
        submission.notes.extend(find_resembling(submission.records, other.records, f" of the submission `{name}`"))


def find_submissions(contents: StoreContents, boards: Mapping[str, Board]) -> list[Submission]:
    """Read all submissions beside a store, in the order of their names, sound or not.

    The folder `submissions` is a sibling of the store's root; links in it are skipped, and a store without one has
    none.
    """
    folder = contents.root.resolve().parent / SUBMISSIONS_FOLDER if contents.root else None
    if folder is None or not folder.is_dir():
        return []
    folders = [path for path in sorted(folder.iterdir()) if (path / MANIFEST).is_file() and not path.is_symlink()]
    return [read_submission(path, boards, contents.records) for path in folders]


def add_submissions(
    board: Board, records: list[ResultRecord], submissions: Iterable[Submission]
) -> tuple[Board, list[ResultRecord], list[str]]:
    """Add the methods and records of sound submissions to their board.

    A submission whose method is on the board already is left out, as is one that is not sound.

    Args:
        board: the board, with its own methods.
        records: all records of the store.
        submissions: in the order in which they get their rows; those of other boards are ignored.

    Returns:
        The board with the new methods, `records` with theirs, and one sentence for each submission that was added or
        left out, and for each method that resembles another.
    """
    notes, methods, added = list[str](), list(board.methods), list[ResultRecord]()
    own = {record.run_id for record in records}
    accepted: list[set[str]] = []  # digests of the runs of each
    others = board.keep_covered(records)
    for submission in submissions:
        manifest, runs = submission.manifest, {record.digest for record in submission.records}
        name = manifest.name if manifest else make_printable(submission.folder.name, 60)
        if manifest and (manifest.board, manifest.suite) != (board.name, board.suite):
            continue
        if manifest is None or not submission.sound:
            reasons = "; ".join(f"{p.path}: {', '.join(p.reasons)}" for p in submission.problems[:2])
            notes.append(f"Submission `{name}` is left out: {reasons}.")
            continue
        names_on_board = {method.casefold() for method in methods}  # addresses do not tell `Mine` from `mine`
        if taken := [method for method in manifest.methods if method.casefold() in names_on_board]:
            if runs not in accepted:  # else it is given twice, as beside the store and by hand
                notes.append(f"Submission `{name}` is left out: `{taken[0]}` stands here already.")
            continue
        methods += manifest.methods
        accepted.append(runs)
        notes += [f"Submission `{name}`: {each}." for each in find_resembling(submission.records, others + added)]
        added += [record for record in submission.records if record.run_id not in own]
        by = f" by {manifest.authors}" if manifest.authors else ""
        names = ", ".join(f"`{method}`" for method in manifest.methods)
        notes.append(f"Submission{by}: {names}{f' ({manifest.paper})' if manifest.paper else ''}.")
    return board.model_copy(update={"methods": methods}), [*records, *added], notes


def _find_mismatches(
    folder: Path,
    manifest: Manifest,
    cards: list[Card],
    records: list[ResultRecord],
    boards: Mapping[str, Board],
    committed: Iterable[ResultRecord],
) -> Iterator[Problem]:
    """Problems where manifest, code, records and board disagree; arguments as `find_ineligible_records`.

    Without the board nothing else can be judged, and that it does not exist is the only problem.
    """
    try:
        board = find_manifest_board(manifest, boards)
    except ValueError as error:
        yield Problem(MANIFEST, [str(error)])
        return
    wrong = []
    if missing := sorted(set(board.seed_list) - set(parse_seeds(manifest.seeds))):
        wrong.append(f"seeds: should cover those of the board, {board.seeds}; {missing[0]} is missing")
    wrong += find_unannounced_parts(manifest.methods, cards, board)
    if wrong:
        yield Problem(MANIFEST, wrong)
    # Also after problems above: the author sees everything at once.
    yield from find_ineligible_records(records, manifest, board, cards, committed)
