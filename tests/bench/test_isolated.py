"""Somebody else's code under limits: each kind of misbehaviour ends as one sentence, and nothing is left running."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli.check import check_isolated
from bench.cli.main import main
from bench.errors import UsageError
from bench.isolated import Finished, Limits, run_isolated

IMPORTS = "import os, sys, time, subprocess, signal\n"
FOREVER = str(4_000_000 + os.getpid())  # seconds, and a word that no other process has in its command
QUICK = Limits(seconds=20, memory_mb=300, output=100_000, grace=1.0)


def python(code: str, limits: Limits = QUICK, **more):
    return run_isolated([sys.executable, "-c", IMPORTS + code], limits, **more)


def living(words: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if words.encode() in (entry / "cmdline").read_bytes().replace(b"\0", b" "):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_what_behaves_has_no_trouble():
    heard = []
    found = python("print('hello'); sys.exit(3)", tell=heard.append)
    assert (found.code, found.output, found.troubles) == (3, "hello\n", [])
    assert "".join(heard) == "hello\n"


def test_an_endless_loop_is_ended_at_the_limit():
    found = python("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass", Limits(seconds=1))
    assert found.code is None
    assert found.troubles == ["It was ended after 1 seconds, which is its limit."]


def test_memory_counts_over_all_processes():
    hog = "x = bytearray(150 << 20)\nx[::4096] = b'1' * len(x[::4096])\n"
    assert python(hog).troubles == []
    found = python(f"for _ in range(3): os.fork()\n{hog}time.sleep(30)")
    assert found.code is None
    assert "where 300 are allowed" in found.troubles[0]


def test_processes_are_counted():
    spread = "for _ in range(12):\n if os.fork() == 0: time.sleep(30)\ntime.sleep(30)"
    [trouble] = python(spread, Limits(seconds=20, processes=8)).troubles
    assert trouble.endswith("processes, where 8 are allowed.")


@pytest.mark.parametrize(
    "code",
    [
        "if os.fork() == 0: time.sleep(int(FOREVER))",
        "subprocess.Popen(['sleep', FOREVER])",
        "subprocess.Popen(['sleep', FOREVER], start_new_session=True)",
        "if os.fork() == 0:\n os.setsid()\n if os.fork() == 0: os.execvp('sleep', ['sleep', FOREVER])",
        "subprocess.Popen(['sleep', FOREVER], env={}, start_new_session=True, stdout=-3, stderr=-3)",  # -3: nowhere
        # always a new process, which lives for a moment only; after a minute it gives up
        "end = time.time() + 60\nwhile time.time() < end:\n if os.fork(): os._exit(0)\n os.setsid()",
    ],
)
def test_what_outlives_its_command_is_found_and_ended(code):
    found = python(f"FOREVER = {FOREVER!r}\n{code}")
    assert found.code == 0
    [trouble] = found.troubles
    assert "running, which should end with it" in trouble
    assert living(f"sleep {FOREVER}") == []
    assert living(f"FOREVER = {FOREVER!r}") == []


def test_helpers_that_end_by_themselves_are_no_trouble():
    helper = "if os.fork() == 0:\n os.setsid()\n time.sleep(1.5)"
    assert python(helper, replace(QUICK, grace=60.0)).troubles == []
    assert python(helper, replace(QUICK, grace=0.0)).troubles != []


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_whoever_stops_the_command_stops_what_it_started(kind, tmp_path):
    """As a forge does that runs out of time."""
    code = f"import time\nopen({str(tmp_path / 'there')!r}, 'w')\ntime.sleep({FOREVER})"
    inner = f"from bench.isolated import *\nrun_isolated([{sys.executable!r}, '-c', {code!r}], Limits())"
    process = subprocess.Popen([sys.executable, "-c", inner], stderr=subprocess.DEVNULL)
    while not (tmp_path / "there").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(kind)
    assert process.wait(60) != 0
    assert living(f"time.sleep({FOREVER})") == []


def test_a_lot_of_output_is_cut_and_told():
    heard: list[str] = []
    found = python("sys.stdout.write('x' * 10_000_000)", tell=heard.append)
    assert found.troubles == ["It printed 10,000,000 bytes, where at most 100,000 are allowed."]
    assert len(found.output) <= 1 << 14
    assert sum(map(len, heard)) <= 100_000


def test_a_store_that_was_changed_is_named(tmp_path):
    store = tmp_path / "runs"
    (store / "a").mkdir(parents=True)
    for name in ("kept", "changed", "removed"):
        (store / "a" / name).write_text(name)
    code = f"os.chdir({str(store)!r}); open('a/changed', 'w').write('x'); os.unlink('a/removed'); open('new', 'w')"
    found = python(code, watched=[store, tmp_path / "absent"])
    (trouble,) = found.troubles
    assert "It changed the store `runs`" in trouble
    assert "a/changed (changed), a/removed (removed), new (added)." in trouble


LEAVINGS = {
    "a pipe": ("os.mkfifo('p')", "p (added)"),
    "a terabyte": ("open('p', 'w').truncate(1 << 40)", "p (added)"),
    "a file grown to a terabyte": ("open('a/kept', 'r+').truncate(1 << 40)", "a/kept (changed)"),
    "the same size and times": (
        "t = os.stat('a/kept').st_mtime_ns; open('a/kept', 'w').write('tpek'); os.utime('a/kept', ns=(t, t))",
        "a/kept (changed)",
    ),
    "a folder": ("os.mkdir('p')", "p (added)"),
    "a link to a folder": ("os.symlink('/etc', 'p')", "p (added)"),
    "rights": ("os.chmod('a/kept', 0)", "a/kept (changed)"),
    "a deep folder": (
        "for _ in range(50): os.mkdir('p'); os.chdir('p')",
        "p (added), p/p (added), p/p/p (added) and",
    ),
    "a store instead of it": ("os.rename('.', '../was'); os.symlink('was', '../runs')", ". (changed)"),
    "a name that steers": ("open('\\x1b[31m\\n', 'w')", "\\x1b[31m\\n (added)"),
    "a name that is no text": ("open(b'\\xff', 'w')", "\\udcff (added)"),
}


@pytest.mark.parametrize("kind", LEAVINGS)
def test_whatever_is_left_in_a_store_is_named(kind, tmp_path):
    store = tmp_path / "runs"
    (store / "a").mkdir(parents=True)
    (store / "a" / "kept").write_text("kept")
    code, words = LEAVINGS[kind]
    code = code.replace("os.rename('.'", f"os.rename({str(store)!r}")
    [trouble] = python(f"os.chdir({str(store)!r})\n{code}", watched=[store]).troubles
    assert words in trouble
    assert trouble.isprintable()


def test_a_store_that_was_not_there_is_watched_too(tmp_path):
    [trouble] = python(f"os.makedirs({str(tmp_path / 'runs')!r})", watched=[tmp_path / "runs"]).troubles
    assert "It changed the store `runs`" in trouble


ANSWERS = {
    "nothing": b"",
    "no rule": b'{"outcomes": []}',
    "a list": b"[1]",
    "other keys": b'{"outcomes": [{}]}',
    "no list": b'{"outcomes": "abc"}',
    "no text": b'{"error": {"a": 1}}',
    "depth": b"[" * 200_000,
    "no Unicode": b"\xff",
    "too much": b" " * (5 << 20),
}


@pytest.mark.parametrize("kind", [*ANSWERS, "a pipe", "a link", "a folder"])
def test_an_answer_is_untrusted(kind, monkeypatch):
    """The code that is checked may write it."""

    def answering(command, *others):
        report = Path(command[command.index("--report") + 1])
        if kind in ANSWERS:
            report.write_bytes(ANSWERS[kind])
        else:
            {"a pipe": os.mkfifo, "a link": lambda path: path.symlink_to("/dev/zero"), "a folder": os.mkdir}[kind](
                report
            )
        return Finished(0, "\x1b[2Jbye", [])

    monkeypatch.setattr("bench.isolated.run_isolated", answering)
    [outcome] = check_isolated(["odd.py"], None, Limits())
    assert not outcome["passed"]
    assert outcome["advice"] == ("It ended the interpreter (exit code 0) before the rules were through: \\x1b[2Jbye.")


def test_what_a_file_says_of_itself_cannot_steer_a_terminal(monkeypatch):
    def answering(command, *others):
        Path(command[command.index("--report") + 1]).write_text('{"error": "\\u001b[31m\\u202e"}')
        return Finished(0, "", [])

    monkeypatch.setattr("bench.isolated.run_isolated", answering)
    with pytest.raises(UsageError, match=r"\\x1b\[31m\\u202e"):
        check_isolated(["odd.py"], None, Limits())


METHOD = '''
import os, time
from bench.api import Sharing, register
from bench.sharing.hard import Hard

@register("odd")
class Odd(Hard):
    """x = y.

    split: as in `hard`.
    """

    forked = False

    @classmethod
    def fork(cls):
        cls.forked = cls.forked or os.fork() or os.setsid() or time.sleep(4322) or True

    def forward(self, inputs, state):
        {body}
        return super().forward(inputs, state)
'''
HOSTILE = {
    "endless": ("while True: pass", "was ended after"),
    "fork": ("Odd.fork()", "running, which should end"),
    "hog": (
        "x = [b'1' * (64 << 20) for _ in range(100)]",
        "MB of memory",
    ),
    "exit": ("os._exit(0)", "ended the interpreter (exit code 0)"),
    "shout": ("print('x' * 1_000_000)", "bytes, where at most"),
    "writes": (
        "open(os.environ['MTLBENCH_STORE'] + '/note', 'a').write('x')",
        "It changed the store `runs`",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_method_ends_as_a_failed_check(kind, tmp_path, monkeypatch, capsys):
    body, words = HOSTILE[kind]
    (tmp_path / "runs").mkdir()
    monkeypatch.setenv("MTLBENCH_STORE", str(tmp_path / "runs"))
    monkeypatch.setattr("bench.cli.options.limits", lambda given: Limits(given.seconds, given.memory, grace=2.0))
    file = tmp_path / f"odd_{os.getpid()}.py"
    file.write_text(METHOD.format(body=body))
    seconds = "12" if kind == "endless" else "300"
    assert main(["check", str(file), "--seconds", seconds, "--memory", "2500", "--json"]) == 1
    outcomes = json.loads(capsys.readouterr().out)
    assert words in outcomes[-1]["advice"]
    assert not outcomes[-1]["passed"]
    assert living(file.name) == []


def test_a_method_cannot_ask_for_targets(tmp_path, capsys):
    """What a method is given at prediction has no targets: nothing in its arguments leads to any."""
    file = tmp_path / "odd.py"
    file.write_text(METHOD.format(body="assert not hasattr(state, 'targets') and set(inputs) <= set(self.tasks)"))
    assert main(["check", str(file), "--json"]) == 0
    body = "return {task: state.targets[task] for task in inputs}"
    file.write_text(METHOD.format(body=body))
    assert main(["check", str(file), "--json"]) == 1
    assert "targets" in capsys.readouterr().out


def test_an_error_of_the_file_is_the_users(tmp_path, capsys):
    file = tmp_path / "empty.py"
    file.write_text("x = 1\n")
    assert main(["check", str(file)]) == 2
    assert "should register a class" in capsys.readouterr().err
