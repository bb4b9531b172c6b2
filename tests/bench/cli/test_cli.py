"""The command line as a user meets it: exit codes, one sentence, nothing written on bad input."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.cli.main import COMMANDS, build_parser, main
from bench.cli.sweep import vary_option
from bench.records.values import parse_values
from leaderboard.store import Store

PLUGIN = str(Path(__file__).parents[2] / "plugins" / "broken.py")
QUICK = ["--set", "epochs=1", "--set", "steps_per_epoch=8"]


@pytest.fixture
def quick(tmp_path: Path) -> list[str]:
    """Arguments of a run that takes moments, in a store of its own."""
    return ["--store", str(tmp_path / "store"), "--jobs", "1", "--device", "cpu", *QUICK]


BAD = [
    (["run", "multidigit", "hard"], 2, "no suite `multidigit`.*`multidigits`"),
    (["run", "multidigits", "hrad"], 2, "no sharing `hrad`.*`hard`"),
    (["run", "multidigits", "hard+l3"], 2, "no constraint `l3`.*`l2`"),
    (["run", "multidigits", "hard@unifrom"], 2, "no weighting `unifrom`.*`uniform`"),
    (["run", "multidigits", "hard:splt=1"], 2, "no option `splt`.*`split`"),
    (["run", "multidigits", "hard:split=9"], 2, r"`split` should lie in \[0, 3\].*9"),
    (["run", "multidigits", "hard:split=one"], 2, "`split` of `hard` should be a whole number.*one"),
    (["run", "multidigits", "cross_stitch:own=1.3"], 2, r"`own` of `cross_stitch`.*\[0, 1\].*1.3"),
    (["run", "multidigits", "cross_stitch:per=pixel"], 2, "`layer` or `channel`.*pixel"),
    (["run", "multidigits", "soft+l2:strength=1,halflife=2"], 2, "`strength` or `halflife`"),
    (["run", "multidigits", "soft"], 2, r"`soft` needs a constraint.*`soft\+l2`"),
    (["run", "multidigits", "single_task+l2"], 2, r"separate models.*`soft\+l2`"),
    (["run", "multidigits", "single_task@uncertainty"], 2, "weights are 1"),
    (["run", "multidigits", "hard+l2"], 2, "no copies"),
    (["run", "multidigits", "hard@static:weights=1/2/3"], 2, "2 numbers.*Found 3"),
    (["run", "synthetic:tasks=0", "hard"], 2, r"`tasks` of `synthetic`.*\[1, 100\]"),
    (["run", "synthetic:inputs=own,tasks=11", "cross_stitch"], 2, "at most 10 tasks"),
    (["run", "multidigits", "hard", "--seeds", "5-2"], 2, "upwards.*`2-5`"),
    (["run", "multidigits", "hard", "--seeds", "a"], 2, "`0-4`"),
    (["run", "multidigits", "hard", "--set", "lr=fast"], 2, "`lr`.*fast"),
    (["run", "multidigits", "hard", "--set", "rate=1"], 2, "no setting `rate`"),
    (["run", "multidigits", "hard", "--set", "epochs"], 2, "key=value"),
    (["run", "multidigits", "hard", "--sed", "1"], 2, "`--sed`.*`--seeds`"),
    (["run", "multidigits", "hard", "--engine", "lokal"], 2, "`lokal`.*`local`"),
    (["run", "multidigits", "hard", "--jobs", "0"], 2, "at least 1"),
    (["run", "multidigits", "hard", "--plugin", "absent.py"], 2, "absent.py"),
    (["run", "multidigits"], 2, "METHOD"),
    (["run"], 2, "SUITE"),
    (["table", "multinmist"], 2, "no table or suite `multinmist`.*`multimnist`"),
    (["reproduce", "dmeo"], 2, "no table `dmeo`.*`demo`"),
    (["tabel"], 2, "no command `tabel`.*`table`"),
    (["data", "prepare"], 2, "SUITE"),
    (["protocol", "nyu"], 2, "no suite `nyu`"),
    (["perf", "--suite", "multidigts"], 2, "`multidigts`.*`multidigits`"),
    (["perf", "--all", "hard"], 2, "methods or `--all`"),
    (["sweep", "multidigits", "soft+l2"], 2, "--over"),
    (["sweep", "multidigits", "soft+l2", "--over", "halflif=1"], 2, "no option `halflif`.*`halflife`"),
    (["sweep", "multidigits", "soft+l2", "--over", "halflife"], 2, "option=values"),
    (["sweep", "multidigits", "soft+l2", "--over", "halflife=0..9:3"], 2, "LOW..HIGH:COUNT.*`0..9:3`"),
    (["sweep", "multidigits", "soft+l2", "--over", "halflife=-1"], 2, r"`halflife` of `l2`.*\[0, inf\)?"),
    (["run", "multidigits", "soft+l2@pcgrad"], 2, "no parameters that two tasks share.*`hard@pcgrad`"),
    (["site", "--watch", "--port", "99999"], 2, r"port in \[1, 65535\]\. Found `99999`"),
    (["table", "demo", "--where", "lr"], 2, "`--where` should read key=value"),
    (["table", "demo", "--where", "lr=1", "--track", "tuned"], 2, "`--where` should be given without"),
    (["table", "demo", "--plugin", "absent.py"], 2, "absent.py"),
    (["site", "--plugin", "absent.py"], 2, "absent.py"),
    (["data", "list", "--plugin", "absent.py"], 2, "absent.py"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), BAD, ids=[" ".join(words) for words, _, _ in BAD])
def test_bad_input_is_one_sentence_and_nothing_written(
    words: list[str],
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTLBENCH_STORE", str(tmp_path / "store"))
    assert main(words) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mtlbench: ")
    assert len(err.splitlines()) == 1
    assert re.search(sentence, err), err
    assert list(tmp_path.iterdir()) == []


def test_data_folder_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    assert main(["run", "multimnist", "hard", "--data-dir", str(tmp_path), "--store", str(store)]) == 1
    err = capsys.readouterr().err
    assert "mtlbench data prepare multimnist" in err
    assert "--data-dir" in err
    assert len(err.splitlines()) == 1
    assert not store.exists()


def test_unwritable_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["run", "multidigits", "hard", "--store", str(tmp_path / "file" / "store")]) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "store" in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_values_of_a_sweep() -> None:
    assert list(parse_values("1..1e4:5")) == ["1.0", "10.0", "100.0", "1000.0", "10000.0"]
    assert list(parse_values("inf/8..1:4/0/inf")) == ["inf", "8.0", "4.0", "2.0", "1.0", "0"]
    assert list(parse_values("1..4:3", whole=True)) == ["1", "2", "4"]
    assert vary_option("hard", "split=1..3:2") == {"1": "hard:split=1", "3": "hard:split=3"}
    assert vary_option("soft+l2:form=offset", "halflife=inf/0") == {
        "inf": "soft+l2:form=offset,halflife=inf",
        "0": "soft+l2:form=offset,halflife=0.0",
    }
    assert vary_option("soft:init=independent+l2", "strength=1") == {"1": "soft:init=independent+l2:strength=1.0"}
    assert vary_option("hard@uncertainty", "start=1/2")["2"] == "hard@uncertainty:start=2.0"


def test_a_sweep_is_a_path_and_resumes(quick: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "synthetic:tasks=2", "soft+l2", "--over", "halflife=inf/10/0", *quick]
    assert main(words) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    shared = [float(line.split("│")[4]) for line in rows]
    assert shared == sorted(shared)
    assert shared[0] < 0.8
    assert shared[-1] == 1.0
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stored"] == 3


def test_run_then_resume(quick: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "multidigits", "hard", "cross_stitch", "--seeds", "0-1", "--json", *quick]
    assert main([*words, "--dry-run"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert {key: plan[key] for key in ("planned", "stored", "to_run", "done", "failed")} == {
        "planned": 4, "stored": 0, "to_run": 4, "done": 0, "failed": 0,
    }  # fmt: skip
    assert not Path(quick[1]).exists()
    assert main(words) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["stored"], first["to_run"], first["done"], first["failed"]) == (0, 4, 4, 0)
    assert set(first["cells"][0]) == {"run_id", "suite", "method", "seed", "status"}
    assert main([*words, "--dry-run"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["stored"], again["to_run"]) == (4, 0)
    assert {cell["status"] for cell in again["cells"]} == {"stored"}
    assert [cell["run_id"] for cell in again["cells"]] == [cell["run_id"] for cell in plan["cells"]]
    contents = Store(Path(quick[1])).read()
    assert len(contents.records) == 4
    assert contents.problems == []


def test_one_cell_going_wrong_leaves_the_others(quick: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """NaN, an error and want of memory give failed records, a dead process a failed cell; all are tried again."""
    methods = ["turns_nan", "raises", "hoards", "dies", "killed", "hard"]
    words = ["run", "synthetic", *methods, "--plugin", PLUGIN, "--json", *quick]
    assert main(words) == 1
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert [cell["status"] for cell in result["cells"]] == ["failed"] * 5 + ["done"]
    assert "process died (exit code 9)" in err
    assert "process was killed (SIGKILL, as the system does where memory runs out)" in err
    records = {record.method: record for record in Store(Path(quick[1])).read().records}
    assert {method: record.status for method, record in records.items()} == {
        "turns_nan": "failed", "raises": "failed", "hoards": "failed", "hard": "done",
    }  # fmt: skip
    nan, raised = records["turns_nan"].error, records["raises"].error
    assert nan is not None
    assert nan.type == "Diverged"
    assert raised is not None
    assert raised.message == "cannot read weights.bin"
    assert raised.where.startswith("broken.spoil")
    assert records["hoards"].error is not None
    assert "can't allocate memory" in records["hoards"].error.message
    assert main([*words, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["to_run"] == 5


def test_corrupt_record_is_named_skipped_and_counted(quick: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    store = Path(quick[1])
    assert main(["run", "multidigits", "hard", *quick]) == 0
    [good] = store.rglob("*.json")
    bad = good.with_name("0123456789abcdef.json")
    bad.write_text(good.read_text()[:200])
    capsys.readouterr()
    assert main(["table", "multidigits", "--store", str(store), "--format", "md"]) == 0
    out, _ = capsys.readouterr()
    assert "1 record skipped" in out
    assert bad.name in out.replace("\\", "")


@pytest.mark.parametrize("how", ["ctrl-c", "terminate", "kill"])
def test_a_stop_leaves_whole_records_only(how: str, tmp_path: Path) -> None:
    """Between two finished cells: Ctrl-C goes to the whole group, the others to the parent alone."""
    store = tmp_path / "store"
    words = ["run", "multidigits", "hard", "--seeds", "0-19", "--store", str(store), "--jobs", "2", *QUICK]
    command = [sys.executable, "-m", "bench.cli.main", *words]

    def heed() -> None:  # a shell's background job is started with Ctrl-C ignored, and hands that on
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed)
    for _ in range(6000):
        if len(list(store.glob("*/*/*.json"))) >= 2:
            break
        time.sleep(0.1)
    if how == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGTERM if how == "terminate" else signal.SIGKILL)
    _, err = process.communicate(timeout=60)  # the pipe ends when the last worker has gone
    if how == "kill":
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert "Interrupted" in err.splitlines()[-1]
    contents = Store(store).read()
    assert 2 <= len(contents.records) < 20
    assert {record.status for record in contents.records} == {"done"}
    assert contents.problems == []
    if how == "kill":  # perhaps in the middle of a file, which the next run would clear first of all
        Store(store).clear()
    assert all(path.suffix == ".json" for path in store.rglob("*") if path.is_file())


@pytest.mark.parametrize("words", [["--help"], ["table", "demo"], ["run", "--help"], ["list", "tables"]])
def test_light_commands_load_no_torch(words: list[str], tmp_path: Path) -> None:
    script = (
        "import sys; from bench.cli.main import main\n"
        f"try: main({[*words]!r})\nexcept SystemExit: pass\n"
        "assert not {'torch', 'lightning', 'wandb', 'sklearn'} & set(sys.modules), 'heavy import'"
    )
    environment = os.environ | {"MTLBENCH_STORE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        build_parser(command).parse_args([command, "--help"])
    assert f"  mtlbench {command}" in capsys.readouterr().out


def test_lists_and_protocol_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "sharing", "--json"]) == 0
    listed = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert {"single_task", "hard", "hard_wide", "cross_stitch", "soft"} <= set(listed)
    assert "Misra" in listed["cross_stitch"]["paper"]
    assert {option["name"] for option in listed["hard"]["options"]} == {"split"}
    assert {listed[name]["twin"] for name in ("hard", "nddr")} == {"single_task_narrow", "muted=1"}
    assert main(["list", "methods", "--json"]) == 0
    methods = [item["name"] for item in json.loads(capsys.readouterr().out)]
    assert {"soft+l2", "hard@uncertainty", "hard"} <= set(methods)
    assert "soft" not in methods
    assert main(["protocol", "multidigits", "--json"]) == 0
    protocol = json.loads(capsys.readouterr().out)
    assert protocol["splits"] == {"train": 4000, "val": 1592, "test": 1596}
    assert protocol["metrics"] == {"left": "classification", "right": "classification"}


def test_perf_times_a_harness_beside_a_bare_loop(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["perf", "hard@pcgrad", "--suite", "synthetic", "--rounds", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    [row] = json.loads(out)
    assert list(row) == ["suite", "method", "bare_ms", "harness_ms", "ratio", "ratio_low", "ratio_high"]
    assert row["method"] == "hard@pcgrad"
    assert row["bare_ms"] > 0
    assert row["ratio"] == pytest.approx(row["harness_ms"] / row["bare_ms"])
    assert err.startswith("synthetic hard@pcgrad: ")


def test_twins_are_run_beside_the_methods_that_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "synthetic:tasks=2,train=16", "hard", "sluice:subspaces=1", "--dry-run", "--json", "--control"]
    for control, twins in (("muted", 1), ("twin", 2)):
        assert main([*words, control]) == 0
        cells = json.loads(capsys.readouterr().out)["cells"]
        assert len(cells) == 2 + twins
        assert [cell["method"] for cell in cells if ",muted=1," in cell["method"] and "subspaces=1" in cell["method"]]


def test_all_methods_leaves_out_what_the_suite_does_not_support(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--all-methods", "--dry-run", "--json"]
    assert main([*words, "synthetic:inputs=own,tasks=11"]) == 0
    many = {cell["method"].partition(":")[0] for cell in json.loads(capsys.readouterr().out)["cells"]}
    assert main([*words, "synthetic"]) == 0
    few = {cell["method"].partition(":")[0] for cell in json.loads(capsys.readouterr().out)["cells"]}
    assert "cross_stitch" in few
    assert few - many == {"adatt", "cgc", "cross_stitch", "learn_to_branch", "nddr", "ple", "sluice", "trees"}
