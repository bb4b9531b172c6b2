"""Somebody else's code in a player: each kind of misbehaviour ends as one sentence, and nothing is left running."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.judge.cells import MethodSource
from bench.judge.host import MethodFailed, Player, PlayerFailed
from bench.judge.limits import Limits
from bench.system.processes import list_descendants
from tests.bench.judge.helpers import FOREVER, living, method

QUICK = Limits(seconds=100, memory_mb=3000, output=100_000, grace=1.0)


def describe(player: Player, top: str) -> object:
    """Import a file that begins with `top`."""
    source = MethodSource("odd.py", method(top=top))
    with player.request("describe", source.sent | {"suite": "synthetic", "methods": ["odd"]}) as request:
        return request.receive("described").values["methods"][0]["short"]


@pytest.fixture(scope="module", params=["sandbox", "limits"])
def kept(request: pytest.FixtureRequest) -> Iterator[Player]:
    """A player for requests that it survives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTLBENCH_CONFINEMENT", "required" if request.param == "sandbox" else "limits")
        from bench.judge.confinement import sandbox_works

        if request.param == "sandbox" and not sandbox_works():
            pytest.skip("bubblewrap does not work here")
        with Player(QUICK) as player:
            yield player


def test_what_behaves_is_described(kept: Player) -> None:
    assert describe(kept, "") == "odd"


OUTLIVING = [
    "if os.fork() == 0: time.sleep(int(FOREVER))",
    "subprocess.Popen(['sleep', FOREVER], start_new_session=True)",
    "if os.fork() == 0:\n os.setsid()\n if os.fork() == 0: os.execvp('sleep', ['sleep', FOREVER])",
    "subprocess.Popen(['sleep', FOREVER], env={}, start_new_session=True, stdout=-3, stderr=-3)",  # -3: nowhere
]


@pytest.mark.parametrize("code", OUTLIVING)
def test_what_outlives_its_request_is_found_and_ended(kept: Player, code: str) -> None:
    with pytest.raises(PlayerFailed, match="running, which should end with it"):
        describe(kept, code)
    assert living(f"sleep {FOREVER}") == []
    assert describe(kept, "") == "odd"


def test_each_request_is_answered_by_a_fresh_copy(kept: Player) -> None:
    """What one request changed, the next one does not find: in memory, in files, and in the harness."""
    spoil = "import bench.scores\nbench.scores.KINDS = {}\nopen(os.environ['TMPDIR'] + '/note', 'w').write('x')"
    assert describe(kept, spoil) == "odd"
    look = "import bench.scores\nassert bench.scores.KINDS and 'note' not in os.listdir(os.environ['TMPDIR'])"
    assert describe(kept, look) == "odd"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os._exit(0)", "ended before it answered"),
        ("os.kill(os.getpid(), 9)", "exit code -9|before it answered"),
    ],
)
def test_an_end_in_the_middle_is_one_sentence_and_the_next_request_is_answered(
    kept: Player, code: str, words: str
) -> None:
    with pytest.raises(PlayerFailed, match=words):
        describe(kept, code)
    assert describe(kept, "") == "odd"


def test_who_prints_too_much_fails() -> None:
    with (
        Player(QUICK) as player,
        pytest.raises(PlayerFailed, match="It printed 150,000 bytes, where at most 100,000 are allowed"),
    ):
        describe(player, "sys.stdout.write('x' * 150_000)")


def test_an_exception_is_the_methods_own(kept: Player) -> None:
    with pytest.raises(MethodFailed, match=r"should import without an error. Found ValueError: \\x1b\[2J"):
        describe(kept, "raise ValueError('\\x1b[2J')")


@pytest.mark.parametrize(
    ("code", "limits", "words"),
    [
        ("while True: pass", Limits(seconds=2), "It was ended after 2 seconds, which is its limit."),
        (
            "x = [b'1' * (64 << 20) for _ in range(40)]\ntime.sleep(60)",
            Limits(memory_mb=1500),
            "where 1,500 are allowed",
        ),
        (
            "for _ in range(12):\n if os.fork() == 0: time.sleep(60)\ntime.sleep(60)",
            Limits(processes=8),
            "processes, where 8 are allowed",
        ),
    ],
)
def test_limits_end_the_player(code: str, limits: Limits, words: str) -> None:
    before = set(living("bench.judge.player"))  # of other tests
    with Player(limits) as player:
        with pytest.raises(PlayerFailed, match=re.escape(words)):
            describe(player, code)
        assert not player.is_alive
    assert set(living("bench.judge.player")) & list_descendants(os.getpid()) <= before


@pytest.mark.parametrize(
    ("kind", "confinement"),
    [
        (signal.SIGTERM, ""),
        (signal.SIGKILL, "limits"),
        pytest.param(signal.SIGKILL, "", marks=pytest.mark.slow),
    ],
)
def test_whoever_ends_the_judge_ends_the_player(kind: signal.Signals, confinement: str, tmp_path: Path) -> None:
    """As a forge does that runs out of time, and as the system does that runs out of memory."""
    top = f"os.set_inheritable(1, True)\nprint('there', flush=True)\nsubprocess.run(['sleep', {FOREVER!r}])"
    (tmp_path / "odd.py").write_text(method(top=top))
    code = (
        "import sys\nfrom pathlib import Path\nfrom bench.cli.check import check_confined, read_source\n"
        "from bench.judge.limits import Limits\n"
        f"check_confined([read_source(Path({str(tmp_path / 'odd.py')!r}))], '', None, Limits())"
    )
    environment = os.environ | ({"MTLBENCH_CONFINEMENT": confinement} if confinement else {})
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, env=environment)
    while not living(f"sleep {FOREVER}"):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(kind)
    assert process.wait(60) != 0
    end = time.monotonic() + 20
    while living(f"sleep {FOREVER}") and time.monotonic() < end:
        time.sleep(0.05)
    assert living(f"sleep {FOREVER}") == []
