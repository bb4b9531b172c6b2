"""Submissions: what a sound one is, and that nothing else passes, whatever is in it."""

from pathlib import Path

import pytest
from hypothesis import strategies as st

from bench.cli.main import main
from bench.cli.table import collect_submissions
from bench.records import Curves
from leaderboard.intake.manifest import checksum_bytes
from leaderboard.intake.submission import find_submissions, read_submission
from leaderboard.report.formats import write_notes
from leaderboard.report.table import tabulate
from leaderboard.site import write_site
from leaderboard.store import Store, StoreContents
from leaderboard.trust.ledger import LedgerEntry, write_checks
from tests.leaderboard.intake.test_malformed import JUNK
from tests.leaderboard.intake.toy import (
    BOARD,
    BOARDS,
    CODE,
    COMMITTED,
    COST,
    MANIFEST,
    NAMED,
    RUNS,
    VERSIONS,
    build,
    problems,
    resealed,
    write,
)


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "submissions" / "mine")


def test_a_sound_submission_stands_on_its_board(tmp_path, folder):
    found = read_submission(folder, BOARDS, COMMITTED)
    assert found.sound
    assert found.manifest == MANIFEST
    contents = StoreContents(COMMITTED)
    table = tabulate(BOARD, contents, submissions=[found])
    assert table.board.methods == ["single_task", "hard", "mine"]
    assert [(row.mean, row.seeds) for row in table.rows if (row.method, row.task) == ("mine", "left")] == [(96.5, 2)]
    assert any("Submission by A. Author: `mine`." in note for note in write_notes(table))
    assert tabulate(BOARD, StoreContents(COMMITTED)).board.methods == ["single_task", "hard"]
    assert tabulate(BOARD, contents, track="tuned", submissions=[found]).board.methods == []


def table_beside(store):
    """The board from a store and the submissions beside it."""
    contents = store.read()
    return tabulate(BOARD, contents, submissions=find_submissions(contents, BOARDS))


def test_submissions_beside_a_store_are_found_and_unsound_ones_named(tmp_path, folder):
    store = Store(tmp_path / "results")
    for record in COMMITTED:
        store.write(record)
    assert "mine" in table_beside(store).board.methods
    (folder / "method.py").write_bytes(CODE + b"# changed\n")
    table = table_beside(store)
    assert "mine" not in table.board.methods
    assert any("Submission `mine` is left out: method.py" in note for note in write_notes(table))


def test_rows_that_nobody_ran_again_are_named_beside_those_that_were(tmp_path, folder):
    store = Store(tmp_path / "results")
    for record in COMMITTED:
        store.write(record)
    by = {
        run.run_id: LedgerEntry(run.run_id, run.digest, "valid", "scores recomputed", "v")
        for run in [*COMMITTED, *RUNS]
    }
    write_checks(store.root, by.values())
    sentence = "Run by nobody but who submitted them (`mtlbench verify SUBMISSION --rerun 2`): `mine`."
    assert sentence in write_notes(table_beside(store))
    write_checks(store.root, [LedgerEntry(RUNS[0].run_id, RUNS[0].digest, "rerun", "equal digit for digit", "v")])
    table = table_beside(store)
    assert sentence not in write_notes(table)
    assert table.results.states["mine"] == "spot_checked"


def test_commands_show_the_submissions_beside_a_store(tmp_path, folder, monkeypatch, capsys):
    monkeypatch.setattr("leaderboard.boards.board.boards", lambda: BOARDS)
    store = Store(tmp_path / "results")
    for record in COMMITTED:
        store.write(record)
    assert main(["table", BOARD.name, "--store", str(store.root), "--format", "csv"]) == 0
    assert f"{BOARD.name},toy,mine,left," in capsys.readouterr().out
    write_site(store.read(), [BOARD], tmp_path / "site", "results")
    assert f"{BOARD.name},toy,mine,left," in (tmp_path / "site" / "data" / f"{BOARD.name}.csv").read_text()
    assert "Me" in (tmp_path / "site" / "methods" / "mine.html").read_text()  # the paper that its code names


def test_reading_runs_nothing_and_writes_nothing(tmp_path):
    code = CODE + b'\nopen("ran", "w").write("x")\nraise SystemExit(1)\n'
    folder = write(tmp_path / "mine", MANIFEST.model_copy(update={"method_sha256": checksum_bytes(code)}), code)
    before = sorted(tmp_path.rglob("*"))
    assert problems(folder) == {}
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        ({"name": "../up"}, "submission.toml", "name"),
        ({"methods": []}, "submission.toml", "methods"),
        ({"methods": ["mine", "hard"]}, "submission.toml", "`hard` stands on the board already"),
        ({"methods": ["other"]}, "submission.toml", "should use a part that method.py registers"),
        ({"suite": "elsewhere"}, "submission.toml", "board: should be a committed one"),
        ({"seeds": "0"}, "submission.toml", "should cover those of the board"),
        ({"seeds": "0-2"}, "results", "no sound record of `mine` seed 2"),
        ({"seeds": "x"}, "submission.toml", "Seeds should read like"),
        ({"method_sha256": "0" * 64}, "method.py", "checksum"),
        ({"authors": "x" * 3000}, "submission.toml", "authors"),
        ({"authors": "A\x1b[2J"}, "submission.toml", "authors: should be one line without control characters"),
        ({"paper": "A\nSubmission `b` is left out"}, "submission.toml", "paper: should be one line"),
        ({"note": "A\u202e"}, "submission.toml", "note: should be one line"),
        ({"methods": ["mine", "mine"]}, "submission.toml", "should name each method once"),
        ({"methods": ["mine", "mine+"]}, "submission.toml", "`mine+` should name a constraint"),
        ({"name": "other"}, "submission.toml", "name: should be that of the folder, found other"),
        ({"seeds": "0-1,10-9999"}, "submission.toml", "at most 1,000 runs with the methods, found 9,992"),
    ],
)
def test_manifests_that_say_something_else(tmp_path, change, where, words):
    folder = write(tmp_path / "mine", MANIFEST.model_copy(update=change))
    assert words in problems(folder)[where]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"changed": {"lr": 0.2}}, "protocol: should be that of the board's other runs"),
        ({"data": "e" * 8}, "data: should have the checksum"),
        ({"overrides": {"lr": "0.1"}}, "without settings or a search"),
        ({"version": 2}, "protocol"),
        ({"versions": VERSIONS | {"suite/toy": 2}}, "versions.suite/toy: should be 1, found 2"),
        ({"versions": VERSIONS | {"sharing/mine": 7}}, "versions.sharing/mine: should be 1, found 7"),
        ({"failed": True}, "status: should be done"),
        ({"suite": "other"}, "suite: should be toy"),
        ({"changed": {"device": "cuda"}}, "another is device"),
        (
            {"versions": VERSIONS | {"suite/later": 9}},
            "versions: should be those of sharing/mine, suite/toy, weighting",
        ),
        ({"versions": {"suite/toy": 1, "sharing/mine": 1}}, "versions: should be those of"),
        ({"kinds": {"right": "classification", "left": "classification"}}, "tasks: should be left, right"),
        ({"cost": None}, "created, cost: should be there"),
        ({"created": ""}, "created, cost: should be there"),
        ({"created": "2999-01-01T00:00:00+00:00"}, "created: should not lie ahead"),
        ({"environment": {"\x1b[2J": "1"}}, "environment.0: should be printable"),
    ],
)
def test_records_that_are_not_the_boards(tmp_path, change, words):
    odd = build(1, **change)
    folder = write(tmp_path / "mine", runs=[RUNS[0], odd])
    found = problems(folder)
    assert words in found[f"results/{odd.run_id}.json"]
    assert "no sound record of `mine` seed 1" in found["results"]


@pytest.mark.parametrize("lie", ["labels", "suite", "options", "seed", "run"])
def test_runs_that_cannot_have_been(tmp_path, lie):
    """Sealed like all others, and sound by themselves."""
    curves = Curves(train_loss={"left": [3.0, 2.0, 1.5], "right": [3.0, 2.0, 1.5]})
    honest = resealed(RUNS[0], curves=curves)
    if lie == "labels":  # one class only, all of it right
        states = {task: {"confusion": [[10_000]]} for task in ("left", "right")}
        scores = {task: {"accuracy": 100.0} for task in states}
        odd = resealed(
            RUNS[1], statistics=dict.fromkeys(RUNS[1].scores, states), scores=dict.fromkeys(RUNS[1].scores, scores)
        )
        words = "should count the labels of the test split"
    elif lie == "suite":
        odd, words = resealed(RUNS[1], spec={"suite": "toy:size=2"}), "spec.suite: should be toy:size=1"
    elif lie == "options":
        odd = resealed(RUNS[1], spec={"method": "mine:rate=9.0@uniform"})
        words = f"spec.method: should be {min(honest, odd, key=NAMED).spec.method} for every seed"
    elif lie == "seed":
        odd = resealed(honest, spec={"seed": 1}, cost=COST.model_copy(update={"step_ms": 0.6}))
        words = f"curves: are those of `mine` seed {min(honest, odd, key=NAMED).spec.seed}; seeds differ by more"
    else:  # a run of the board under another name
        known = resealed(COMMITTED[3], curves=curves, cost=COST)
        odd = resealed(RUNS[1], curves=curves, statistics=known.statistics, scores=known.scores)
        words = "should not be, to the last digit, those of `hard` seed 1"
        honest = RUNS[0]
    assert odd.find_problems() == []
    folder = write(tmp_path / "mine", runs=[honest, odd])
    board = [*COMMITTED[:3], resealed(COMMITTED[3], curves=curves, cost=COST)] if lie == "run" else COMMITTED
    found = {p.path: "; ".join(p.reasons) for p in read_submission(folder, BOARDS, board).problems}
    named = max(honest, odd, key=NAMED) if lie in ("options", "seed") else odd  # of two that differ the second
    assert words in found.pop(f"results/{named.run_id}.json")
    if lie == "options" and named is not odd:  # which is also called by another name than its options give
        assert "should name `rate`" in found.pop(f"results/{odd.run_id}.json")
    assert found.keys() == {"results"}  # a seed is missing


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('"mine"', '"hard"'), "`hard` should be a name of its own"),
        (('"mine"', '"Hard"'), "`Hard` should be a name of its own"),
        (('"mine"', '"a b"'), "should be a name of letters"),
        (('"mine"', '"a\\x1b[2J"'), r"`a\x1b[2J` should be a name of letters"),
        (('paper="Me"', f'paper="{"x" * 400}"'), "its paper should be one line"),
        (('paper="Me"', "version=0x" + "f" * 20_000), "checksum"),  # and not an error of printing the number
        (("@register", '@register("mine")\n@register'), "`mine` should be registered once"),
        (
            ("@register", "".join(f'@register("m{n}")\n' for n in range(30)) + "@register"),
            "at most 20 classes, found 31",
        ),
    ],
)
def test_names_that_a_file_may_not_register(tmp_path, change, words):
    folder = write(tmp_path / "mine", code=CODE.decode().replace(*change).encode())
    assert words in "; ".join(
        reason for p in read_submission(folder, BOARDS, COMMITTED).problems for reason in p.reasons
    )


def test_no_submission_displaces_another_or_the_board(tmp_path):
    first = read_submission(write(tmp_path / "mine"), BOARDS, COMMITTED)
    later = [resealed(run, created="2026-02-02T00:00:00+00:00") for run in RUNS]
    second = read_submission(write(tmp_path / "again" / "mine", runs=later), BOARDS, COMMITTED)
    unreadable = read_submission(write(tmp_path / "un\nread", manifest=None), BOARDS, COMMITTED)
    assert first.sound
    assert second.sound
    table = tabulate(BOARD, StoreContents(COMMITTED), submissions=[first, first, second, unreadable])
    assert table.board.methods == ["single_task", "hard", "mine"]
    assert {run.digest for (method, _), run in table.results.records.items() if method == "mine"} == {
        r.digest for r in RUNS
    }
    left_out = [note for note in write_notes(table) if "is left out" in note]
    assert left_out == [
        "Submission `mine` is left out: `mine` stands here already.",
        "Submission `un\\nread` is left out: submission.toml: should be a plain file.",
    ]


def test_a_submission_given_by_hand_stands_before_one_beside_the_store(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("leaderboard.boards.board.boards", lambda: BOARDS)
    store = Store(tmp_path / "results")
    for record in COMMITTED:
        store.write(record)
    mine = write(tmp_path / "own" / "mine", runs=[resealed(run, created="2026-02-02T00:00:00+00:00") for run in RUNS])
    contents = store.read()
    table = tabulate(BOARD, contents, submissions=collect_submissions(contents, [mine]))
    assert {run.created[:7] for (method, _), run in table.results.records.items() if method == "mine"} == {"2026-02"}
    assert "Submission `mine` is left out: `mine` stands here already." in write_notes(table)


def test_all_problems_are_told_at_once(tmp_path):
    folder = write(tmp_path / "mine", MANIFEST.model_copy(update={"seeds": "0-3"}), b"syntax error here")
    (folder / "notes.txt").write_text("x")
    (folder / "results" / "more.json").write_text("{}")
    (folder / "results" / f"{RUNS[0].run_id}.json").write_text("{")
    assert set(problems(folder)) == {
        "notes.txt",
        "results/more.json",
        "method.py",
        f"results/{RUNS[0].run_id}.json",
        "results",
    }


JUNK |= st.lists(st.integers(), max_size=3) | st.dictionaries(st.text(max_size=5), st.integers(), max_size=3)


@pytest.mark.parametrize(
    ("code", "sound"),
    [
        ({}, True),  # from before the source of plug-ins was noted
        ({"sharing/mine": checksum_bytes(CODE)}, True),
        ({"sharing/mine": "0" * 64}, False),
        (
            {"weighting/uniform": checksum_bytes(CODE)},
            False,
        ),  # it would stand as the newer text of a part of the project
        ({"suite/toy": checksum_bytes(CODE)}, False),
    ],
)
def test_runs_are_of_the_text_that_is_submitted(code: dict[str, str], sound: bool, tmp_path: Path) -> None:
    runs = []
    for run in RUNS:
        spec = run.spec.vary(code=code)
        runs.append(run.model_copy(update={"spec": spec, "run_id": spec.run_id}).seal())
    found = problems(write(tmp_path / "mine", runs=runs))
    said = "spec.code: should be the checksum of method.py, of the parts that it registers"
    named = [path for path, reasons in found.items() if reasons == said]
    assert named == ([] if sound else [f"results/{run.run_id}.json" for run in sorted(runs, key=lambda r: r.run_id)])
