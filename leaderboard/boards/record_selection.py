"""Chooses the records of a board: at most one for each method and seed, all of them comparable.

The choice never looks at a test score. What is left out is counted and named in notes below the table.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.errors import count_nouns, make_printable
from bench.records import ResultRecord
from leaderboard.boards.board import Board, Track
from leaderboard.boards.comparability import (
    conditions_of,
    count_left_out,
    keep_largest_group,
    keep_last_code,
    keep_newest_methods,
    keep_newest_suite,
    method_versions,
    suite_versions,
)
from leaderboard.boards.controls import ControlRow, ControlRun, ControlSubject, control_rows
from leaderboard.boards.own_best import choose_best_runs
from leaderboard.boards.tuned_track import MethodSearch, design_of, keep_searched, searches_of
from leaderboard.boards.twins import collect_twins

NAMED_FAILURES = 5  # the others are counted: a suite that is broken fails in every run
MAX_WHY = 500  # characters of a failure's message

Role = Literal["reference", "method", "submission", "control"]
Chosen = dict[tuple[str, int], ResultRecord]  # (method, seed) -> its run


@dataclass(frozen=True)
class Selection:
    """The finished records of a board, at most one per method and seed, and notes about the others.

    Attributes:
        board: the board asked for, with the rows that are shown: its controls too, or on the tuned track only the
            methods that were searched.
        track: whether methods run with their own options, or with the winner of a search.
        records: (method, seed) -> the run that counts.
        roles: row -> what it is; a control is never ranked.
        notes: sentences about records that were left out.
        controls: row -> its definition, for the rows that are controls.
        series: suite of the board's series -> the runs of its methods there.
    """

    board: Board
    track: Track
    records: Chosen
    roles: dict[str, Role]
    notes: list[str]
    controls: dict[str, ControlRow] = field(default_factory=dict)
    series: dict[str, Chosen] = field(default_factory=dict)


def select_records(
    board: Board, records: Sequence[ResultRecord], track: Track = "default", submitted: Collection[str] = ()
) -> Selection:
    """Choose the records of `board` on a track.

    Only finished runs without overrides count, or, on a board with a curve, those of each method at the value that its
    curve chose. Of an edited plug-in only runs of the source that was run last count, even where none of them finished.
    Of several versions the highest (protocol version, suite version) counts; among these the largest group with one
    protocol, suite and data checksum; then the highest versions of each method.

    Args:
        board: its `methods` become rows, and on the default track its `controls` below them.
        records: everything that is stored, in any order; the choice does not depend on it.
        track: `tuned` takes for each method the runs with the settings that won its search.
        submitted: methods of the board that came with a submission.

    Returns:
        The selection; everything left out is counted in its notes.
    """
    controls: dict[str, ControlRow] = {}
    if track == "tuned":
        board = keep_searched(board, records)
        chosen, notes = _choose_winners(board, records)
    elif board.curve:
        chosen, notes = choose_best_runs(board, records)
    else:
        controls, chosen, notes = _choose_with_controls(board, records)
        labels = {key: f"control: {row.label}" for key, row in controls.items()}
        board = board.model_copy(update={"methods": [*board.methods, *labels], "labels": labels | board.labels})
    roles = {method: _role_of(method, board, controls, submitted) for method in board.methods}
    return Selection(board, track, chosen, roles, notes, controls, _choose_series(board, records))


def _role_of(method: str, board: Board, controls: Collection[str], submitted: Collection[str]) -> Role:
    """The role of a row. A method that the board lists is no control, even if it is one elsewhere."""
    if method in controls:
        return "control"
    if method == board.reference:
        return "reference"
    return "submission" if method in submitted else "method"


def _choose(board: Board, records: Iterable[ResultRecord]) -> tuple[Chosen, list[str]]:
    """The runs of the board's own methods under its own protocol, and notes about what is left out."""
    notes: list[str] = []
    own = [r for r in board.keep_covered(records) if r.spec.tuning is None]
    plain = [record for record in own if not record.spec.overrides]
    count_left_out(notes, len(own) - len(plain), "with overrides (`--set`, `--control`)")
    methods, seeds = set(board.methods), set(board.seed_list)
    wanted = [record for record in plain if record.method in methods and record.spec.seed in seeds]
    wanted = keep_last_code(wanted, notes=notes)
    done = [record for record in wanted if record.status == "done"]

    # Scores of two versions are of two tasks; a row of the older one would stand beside others that it never met.
    newest = max((suite_versions(record) for record in done), default=None)
    current = [record for record in done if suite_versions(record) == newest]
    count_left_out(notes, len(done) - len(current), "of an older protocol or suite version")

    group = keep_largest_group(current, conditions_of)
    count_left_out(notes, len(current) - len(group), "of another protocol or data checksum than the largest group")

    # A method's version is its own: the other rows stay comparable when one of them was changed and run again.
    chosen: Chosen = {}
    by_method: dict[str, list[ResultRecord]] = {method: [] for method in board.methods}
    for record in group:
        by_method[record.method].append(record)
    for method, runs in by_method.items():
        latest = max((method_versions(record) for record in runs), default=None)
        kept = keep_largest_group(
            [run for run in runs if method_versions(run) == latest], lambda record: record.spec.method
        )
        count_left_out(notes, len(runs) - len(kept), f"of an older version of `{method}`")
        chosen |= {(method, record.spec.seed): record for record in kept}

    if any(not record.spec.protocol.ranked for record in chosen.values()):
        notes.append("Not ranked: a protocol or a set of data that stands beside published numbers or for trial only.")
    # A failure that was run again successfully is no longer worth a note.
    failed = [record for record in wanted if record.error and (record.method, record.spec.seed) not in chosen]
    for record in failed[:NAMED_FAILURES]:
        why = make_printable(f"{record.error.type}: {record.error.message}", MAX_WHY) if record.error else ""
        notes.append(f"Failed run, not counted: `{record.method}`, seed {record.spec.seed}: {why}.")
    if len(failed) > NAMED_FAILURES:
        notes.append(f"{count_nouns(len(failed) - NAMED_FAILURES, 'further failed run')} not counted.")
    return chosen, notes


def _choose_with_controls(
    board: Board, records: Sequence[ResultRecord]
) -> tuple[dict[str, ControlRow], Chosen, list[str]]:
    """The rows of controls that the board does not list as methods, the runs of all rows, and notes.

    Runs used by hidden controls are not counted as left-out records.
    """
    chosen, notes = _choose(board, records)
    like = next(iter(chosen.values()), None)
    if like is None:
        return {}, chosen, notes
    protocol, twins = like.spec.protocol, collect_twins({record.method for record in records})
    subject = ControlSubject(like.tasks, protocol.epochs, protocol.lr, board.methods, board.labels, twins)
    # All controls, shown or not: their runs are known, and should not be reported as left out.
    assembled, used = _assemble(control_rows(["all"], subject), like, records)
    rows = {row.key: row for row in control_rows(board.controls, subject) if row.key not in board.methods}
    shown = {key: record for key, record in assembled.items() if key[0] in rows and key[1] in board.seed_list}
    whole = board.model_copy(update={"methods": [*board.methods, *rows]})
    # Again without the parts: their runs have settings of their own, and would be counted as left out.
    chosen, notes = _choose(whole, [record for record in records if record.run_id not in used])
    return rows, chosen | shown, notes


def _assemble(
    rows: Iterable[ControlRow], like: ResultRecord, records: Iterable[ResultRecord]
) -> tuple[Chosen, set[str]]:
    """Put the rows of controls together from runs under changed settings.

    Args:
        rows: those with parts; rows that are plain methods are skipped.
        like: any run of the board: except for the settings of a part, suite, data, versions and protocol must equal
            its.
        records: everything that is stored.

    Returns:
        (row, seed) -> a record with the scores of all parts, where every part was run; and the ids of all runs used.
    """
    assembled: Chosen = {}
    used: set[str] = set()
    rows = [row for row in rows if row.key != row.method]
    # Runs for another question, as of fewer labels, may be of newer code: they say nothing about what is current here.
    wanted = {(row.method, frozenset(part.settings.items())) for row in rows for part in row.parts}
    of_parts = (r for r in records if r.spec.overrides and r.spec.tuning is None and _settings_of(r) in wanted)
    done = [record for record in keep_last_code(of_parts) if record.status == "done"]
    done = keep_newest_methods(done, lambda record: (record.spec.suite, record.method))
    for row in rows:
        by_part = [
            {r.spec.seed: r for r in done if r.method == row.method and _is_part(r, part, like)} for part in row.parts
        ]
        used |= {record.run_id for runs in by_part for record in runs.values()}
        # A row needs every one of its parts: a mean over fewer tasks would be another number.
        for seed in set.intersection(*(set(runs) for runs in by_part)):
            assembled[row.key, seed] = _merge(
                like, [(part, runs[seed]) for part, runs in zip(row.parts, by_part, strict=True)]
            )
    return assembled, used


def _settings_of(record: ResultRecord) -> tuple[str, frozenset[tuple[str, str]]]:
    """The method of a run and its changed settings, as the part of a control names them."""
    return record.method, frozenset((key, str(value)) for key, value in record.spec.overrides.items())


def _is_part(record: ResultRecord, part: ControlRun, like: ResultRecord) -> bool:
    """Whether a run has exactly the settings of a part, and everything else as `like` has it."""
    spec, other = record.spec, like.spec
    if _settings_of(record)[1] != frozenset(part.settings.items()):
        return False
    # A replica's copies all have the metric kind of the copied task.
    changed = {*part.settings, *({"metrics"} if "replica" in part.settings else set())}
    mine, theirs = (
        {key: value for key, value in each.protocol.model_dump().items() if key not in changed}
        for each in (spec, other)
    )
    suites = [
        {name: (v, each.code.get(name)) for name, v in each.versions.items() if name.startswith("suite/")}
        for each in (spec, other)
    ]
    return (spec.suite, spec.data) == (other.suite, other.data) and suites[0] == suites[1] and mine == theirs


def _merge(like: ResultRecord, parts: list[tuple[ControlRun, ResultRecord]]) -> ResultRecord:
    """The first part's record, with scores and statistics of each task from the run in which that task counts."""
    first = parts[0][1]
    if parts[0][0].counts is None:
        return first
    counted = [(part.counts, record) for part, record in parts if part.counts]
    values = {
        name: {rule: {task: getattr(record, name)[rule][task] for task, record in counted} for rule in first.scores}
        for name in ("scores", "statistics")
    }
    return first.model_copy(update={"tasks": list(like.tasks), **values})


def _choose_winners(board: Board, records: Iterable[ResultRecord]) -> tuple[Chosen, list[str]]:
    """The runs of the tuned track with the winner's settings, and notes.

    A method with fewer than `board.trials` trials is left out and named: its winner would be the best of fewer draws. A
    winner at the end of its grid is named too, since better settings may lie beyond.
    """
    own = [r for r in board.keep_covered(records) if r.spec.is_of_search]
    notes = [_explain_search(board, own)]
    design = design_of(own)
    kept = [record for record in own if record.spec.tuning and record.spec.tuning.design == design]
    count_left_out(notes, len(own) - len(kept), "of a search whose trials were drawn in another way")
    own = kept
    own = keep_newest_suite(keep_last_code(own, notes=notes))
    own = keep_newest_methods(own, lambda record: record.spec.tuning and record.spec.tuning.of)
    searches = {search.method: search for search in searches_of(own, board.trials)}
    done = {record.run_id: record for record in own if record.status == "done"}
    chosen: Chosen = {}
    for method in board.methods:
        search = searches.get(method)
        if search is None or len(search.trials) < board.trials:
            if search:
                notes.append(f"`{board.label(method)}` has {len(search.trials)} of {board.trials} trials: not counted.")
        elif search.winner is None:
            notes.append(f"Every trial of `{board.label(method)}` failed.")
        else:
            chosen |= {(method, seed): run for seed, run in _runs_of_winner(search, board, done).items()}
            if search.edges:
                settings = ", ".join(f"{key}={search.winner.spec.overrides.get(key)}" for key in search.edges)
                notes.append(f"The winner of `{board.label(method)}` lies at the edge of its grid: {settings}.")
    return chosen, notes


def _explain_search(board: Board, records: Iterable[ResultRecord]) -> str:
    """How the winners were found: how many trials, of which kind, on how many seeds."""
    records = list(records)
    searches = searches_of(records, board.trials)
    if design_of(records) == "random":
        counts = [search.distinct for search in searches if search.method in board.methods]
        settings = f"{min(counts)} to {max(counts)}" if len({*counts}) > 1 else f"{max(counts, default=0)}"
        return (
            f"Tuned: the best of {board.trials} random trials on validation, one seed each, as many for every method. "
            f"Draws repeat: {settings} of a method's are of different settings."
        )
    seeds = max((len(search.seeds) for search in searches), default=0)
    final = max((len(search.final_seeds) for search in searches), default=0)
    best = max((len(search.finalists) for search in searches), default=0)
    again = f", the best {best} again on {final} further ones" if final else ""
    return (
        f"Tuned: the best of {board.trials} trials from a Sobol sequence on validation, {count_nouns(seeds, 'seed')} "
        f"each{again}, as "
        "many for every method."
    )


def _runs_of_winner(search: MethodSearch, board: Board, done: dict[str, ResultRecord]) -> dict[int, ResultRecord]:
    """seed -> the finished run with the winner's settings and that seed; `done` maps run ids to records."""
    winner = search.winner
    if winner is None or winner.spec.tuning is None:
        return {}
    final = winner.spec.tuning.model_copy(update={"stage": "final"})
    # The run id of a specification is known without the run: no search through all records.
    names = {seed: winner.spec.vary(seed=seed, tuning=final).run_id for seed in board.seed_list}
    return {seed: done[name] for seed, name in names.items() if name in done}


def _choose_series(board: Board, records: Iterable[ResultRecord]) -> dict[str, Chosen]:
    """Suite of the board's series -> the runs of the board's methods and its reference there.

    A suite without such runs is left out.
    """
    # One source over all suites: a curve through the errors of two programs would say nothing.
    plain = (record for record in records if not record.spec.overrides and record.spec.tuning is None)
    in_series = (record for record in plain if not {record.suite, record.spec.suite}.isdisjoint(board.series))
    kept = keep_last_code(in_series, apart=lambda record: None)
    methods = list(dict.fromkeys([*board.methods, board.reference]))
    series = {
        suite: _choose(board.model_copy(update={"suite": suite, "methods": methods}), kept)[0] for suite in board.series
    }
    return {suite: chosen for suite, chosen in series.items() if chosen}
