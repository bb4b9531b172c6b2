"""Somebody else's code under limits: each kind of misbehaviour ends as one sentence, and nothing is left running."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.isolated import Limits, run_isolated

IMPORTS = "import os, sys, time, subprocess, signal\n"
QUICK = Limits(seconds=20, memory_mb=300, output=100_000)


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
    began = time.monotonic()
    found = python("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass", Limits(seconds=1))
    assert found.code is None
    assert found.troubles == ["It was ended after 1 seconds, which is its limit."]
    assert time.monotonic() - began < 15


def test_memory_counts_over_all_processes():
    hog = "x = bytearray(150 << 20)\nx[::4096] = b'1' * len(x[::4096])\n"
    assert python(hog).troubles == []
    found = python(f"for _ in range(3): os.fork()\n{hog}time.sleep(30)")
    assert found.code is None
    assert "where 300 are allowed" in found.troubles[0]


@pytest.mark.parametrize(
    "code",
    [
        "if os.fork() == 0: time.sleep(4321)",
        "subprocess.Popen(['sleep', '4321'])",
        "subprocess.Popen(['sleep', '4321'], start_new_session=True)",
        "if os.fork() == 0:\n os.setsid()\n if os.fork() == 0: os.execvp('sleep', ['sleep', '4321'])",
    ],
)
def test_what_outlives_its_command_is_found_and_ended(code):
    found = python(code)
    assert found.code == 0
    assert "running, which should end with it" in found.troubles[0]
    assert living("sleep 4321") == []


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
    file = tmp_path / f"odd_{os.getpid()}.py"
    file.write_text(METHOD.format(body=body))
    seconds = "25" if kind == "endless" else "300"
    assert main(["check", str(file), "--seconds", seconds, "--memory", "2500", "--json"]) == 1
    outcomes = json.loads(capsys.readouterr().out)
    assert words in outcomes[-1]["advice"]
    assert not outcomes[-1]["passed"]
    assert living(file.name) == []
    assert living("sleep 4322") == []


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
