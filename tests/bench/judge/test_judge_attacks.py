"""Attacks on a judge: forged messages end as failed cells, and no request finds what another one left."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar, Self

import pytest

from bench.cli.check import check_confined
from bench.errors import UsageError
from bench.execution.judged_cell import describe_methods
from bench.judge.cells import MethodSource
from bench.judge.host import MethodFailed, Player, PlayerFailed
from bench.judge.limits import Limits
from tests.bench.judge.helpers import method
from tests.bench.judge.test_judged_cells import judged

LIMITS = Limits(seconds=1800, grace=1.0)
FORGE = """
import bench.judge.channel, torch
whole = bench.judge.channel.Channel.send
def send(self, kind, values=None):
    values = dict(values or {{}})
    if kind == {kind!r}:
        {change}
    whole(self, kind, values)
bench.judge.channel.Channel.send = send
"""
DEEP = "x = []\n        for _ in range({depth}): x = [x]\n        "
EACH_MODEL = "values['models'] = [m | {{'models': [{each} for s in m['models']]}} for m in values['models']]"
COST = "values['fields']['cost'] |= {{'{name}': {value}}}"


def model(each: str) -> str:
    return EACH_MODEL.format(each=each)


def cost(name: str, value: str) -> str:
    return COST.format(name=name, value=value)


class Lent:
    """A player that is there already and stays; each takes seconds to start."""

    troubles: ClassVar[list[str]] = []

    def __init__(self, player: Player) -> None:
        self.request = player.request

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it running."""


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    with Player(LIMITS) as player:
        yield player


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("epoch", "values = {}", "no count of epochs"),
        ("epoch", "values = {'done': [], 'epochs': 'x'}", "no count of epochs"),
        ("epoch", "values['done'] = float('inf')", "no count of epochs"),
        ("epoch", "values['epochs'] = 10**4000", "no count of epochs"),
        ("epoch", "kind = '\\x1b[2J'", r"answered `\x1b[2J`"),
        ("epoch", "kind, values = 'failed', {'type': 10**4000, 'message': [[]], 'where': torch.ones(3)}", "unknown"),
        ("built", "values = {}", "before training"),
        ("built", "values = {'models': [3]}", "before training"),
        ("built", "values = {'models': [{'weights': [1]}]}", "before training"),
        ("built", "values = {'models': []}", "before training"),
        ("trained", "values = {}", "another form"),
        ("trained", model("{'weights': {1: 2}}"), "weights of a model"),
        ("trained", model("3"), "weights of a model"),
        ("trained", model("{}"), "weights of a model"),
        ("trained", model("s | {'weights': {k: [v, v] for k, v in s['weights'].items()}}"), "state_dict"),
        ("trained", DEEP.format(depth=400) + model("s | {'weights': {'heads.x': x}}"), "levels deep"),
        ("trained", cost("forward_flops", "10**4000"), "(cost)"),
        ("trained", cost("forward_flops", "-1"), "(cost)"),
        ("trained", cost("parameters", "10**4000"), "(cost)"),
        ("trained", cost("train_seconds", "-1.0"), "(cost)"),
        ("trained", cost("step_ms", "float('nan')"), "finite"),
        ("trained", cost("hardware", "'\\x1b[2J, 1 thread'"), "(cost)"),
        ("trained", "values['weights'] = torch.full((3, 2), float('nan'))", "(weights)"),
        ("trained", "values['weights'] = torch.ones(3, 2, dtype=torch.bool)", "(weights)"),
        ("trained", "values['weights'] = torch.ones(0, 2)", "(weights)"),
        ("trained", "values['fields']['environment'] = ['a']", "dictionary"),
        ("trained", "values['fields']['selection']['x'] = {}", "(selection)"),
        ("trained", "values['fields']['tasks'] *= 2", "(tasks)"),
        ("trained", "values['fields']['effective_sharing'] = {'\\x1b[2J': 0.5}", "(names)"),
        ("trained", "values['fields']['curves'] = {'train_loss': {'\\ud800': [0.5]}}", "(names)"),
        ("trained", "values['fields']['matrices'] = {'a': {'shape': [3], 'float16': 'AAAAAA=='}}", "3 values"),
        ("trained", "values['fields']['matrices'] = {'a': {'shape': [-1, -2], 'float16': 'AAAA'}}", "(matrices)"),
        ("trained", "values |= {'in_place': True, 'models': []}", "(in_place)"),
        ("predictions", "values = {k: [v] for k, v in values.items()}", "another type"),
        ("predictions", "values = {k: v.to_sparse() for k, v in values.items()}", "dense"),
        ("predictions", "values = {k: v.to(torch.uint8) for k, v in values.items()}", "another type"),
    ],
)
def test_a_forged_message_ends_as_a_failed_cell(player: Player, kind: str, change: str, words: str) -> None:
    record = judged(player, top=FORGE.format(kind=kind, change=change)).record
    assert record.status == "failed"
    assert record.error is not None
    assert words in record.error.message
    assert record.error.message.isprintable()
    assert player.is_alive


def test_names_of_packages_are_names(player: Player) -> None:
    change = r"values['fields']['environment'] = {'\x1b[2J': '1', '': '2', '../x': '3'}"
    record, honest = judged(player, top=FORGE.format(kind="trained", change=change)).record, judged(player).record
    assert record.error is None
    assert record.environment == honest.environment


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"[" * 5000, "malformed"),
        (
            b'{"kind":"described","tree":{"map":[]},"tensors":[["float32",[0,140737488355328,140737488355328],0]]}',
            "mal",
        ),
        (b'{"kind":"described","tree":{"map":[]},"tensors":[["float32",[2],true]]}', "malformed"),
        (b'{"kind":"described","tree":{"map":[]},"tensors":[["float32",[99999999999],false]]}', "bytes of tensors"),
        (b'{"kind":"described","tree":{"map":[[{"list":[]},1]]},"tensors":[]}', "malformed"),
        (b'{"kind":"described","tree":{"map":[["a",NaN]]},"tensors":[]}', "malformed"),
    ],
)
def test_bytes_that_are_no_message_are_named(player: Player, header: bytes, words: str) -> None:
    top = f"os.write(3, ({len(header)}).to_bytes(8, 'little') + {header!r} + bytes(8))"
    with pytest.raises(PlayerFailed, match=words):
        describe(player, top)


def describe(player: Player, top: str) -> object:
    source = MethodSource("odd.py", method(top=top))
    with player.request("describe", source.sent | {"suite": "synthetic", "methods": ["odd"]}) as request:
        return request.receive("described").values


LEAVE: dict[str, tuple[str, ...]] = {  # what is done, request after request, and what the last one says
    "a closed folder": (
        "os.makedirs('/tmp/a/b'); os.chmod('/tmp/a/b', 0); os.chmod('/tmp/a', 0)",
        "raise ValueError(os.path.lexists('/tmp/a'))",
        "False",
    ),
    "a deep folder": (
        "os.chdir('/tmp')\nfor _ in range(2500): os.mkdir('d'); os.chdir('d')",
        "raise ValueError(os.path.lexists('/tmp/d'))",
        "False",
    ),
    "shared memory": ("open('/dev/shm/a', 'w')", "raise ValueError(os.listdir('/dev/shm'))", r"\[\]"),
    "where results were": (
        "import leaderboard\nopen(os.path.dirname(leaderboard.__file__) + '/results/a', 'w')",
        "Read-only file system",
    ),
    "another way into shared memory": (
        "import ctypes\nraise ValueError(ctypes.CDLL(None).shmget(77, 4096, 0o1666))",
        "-1",
    ),
    "a message queue": ("import ctypes\nraise ValueError(ctypes.CDLL(None).mq_open(b'/q', 66, 384, 0))", "-1"),
    "the first process": ("open('/proc/1/mem', 'rb')", "Permission denied"),
    "what the first process holds": ("os.readlink('/proc/1/fd/0')", "Permission denied"),
    "settings of the system": ("os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)", "Read-only"),
    "a socket to the host": ("import socket\nsocket.socket(40, 1)", "not permitted"),
    "a signal to everybody": ("os.kill(-1, 0)", "not permitted"),
}


@pytest.mark.parametrize("kind", LEAVE)
def test_no_request_reaches_another_one(player: Player, kind: str) -> None:
    if player.confinement == "limits" and kind not in ("a signal to everybody", "a message queue"):
        pytest.skip("without a sandbox files can be reached")
    *before, last, words = LEAVE[kind]
    for top in before:
        describe(player, top)
    with pytest.raises(MethodFailed, match=words):
        describe(player, last)


def test_a_player_waits_for_a_judge_that_takes_its_time(player: Player) -> None:
    with player.request(
        "describe", MethodSource("odd.py", method()).sent | {"suite": "synthetic", "methods": ["odd"]}
    ) as one:
        assert one.receive("described").kind == "described"
        time.sleep(0.5)
    assert describe(player, "")


def test_a_signal_to_the_first_process_of_a_sandbox_does_nothing(player: Player) -> None:
    if player.confinement == "limits":
        pytest.skip("without a sandbox it ends the player")
    assert describe(player, "os.kill(os.getppid(), signal.SIGKILL); os.kill(os.getppid(), signal.SIGSTOP)")


def test_who_gets_away_with_the_socket_does_not_hold_up_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTLBENCH_CONFINEMENT", "limits")
    runs = "if os.fork() == 0:\n os.setsid()\n"
    runs += " for _ in range(4000): os.fork() and os._exit(0); time.sleep(0.002)\n os._exit(0)"
    began = time.monotonic()
    with Player(Limits(seconds=3, grace=1.0)) as player, pytest.raises(PlayerFailed, match="after 3 seconds"):
        describe(player, f"{runs}\ntime.sleep(1000)")
    assert time.monotonic() - began < 30


def test_a_checkpoint_lies_with_the_judge(player: Player, tmp_path: Path) -> None:
    """Confined code sees no folder of it; what goes on from it comes to the same numbers."""
    state, seen = tmp_path / "folder" / "state.pt", list[int]()

    def interrupt(done: int, epochs: int) -> None:
        if done == epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(player, checkpoint=(state, 0.0), on_epoch=interrupt)
    assert state.is_file()
    again = judged(player, checkpoint=(state, 0.0), on_epoch=lambda done, _: seen.append(done)).record
    assert again.error is None
    assert seen == [2]
    assert again.scores == judged(player).record.scores
    assert not state.exists()


@pytest.mark.parametrize("content", ["3", "torch.ones(3)", "torch.ones(2, 2, dtype=torch.uint8)"])
def test_a_forged_checkpoint_ends_as_a_failed_cell(player: Player, tmp_path: Path, content: str) -> None:
    top = FORGE.format(kind="checkpoint", change=f"values['content'] = {content}")
    record = judged(player, top=top, checkpoint=(tmp_path / "state.pt", 0.0)).record
    assert record.error is not None
    assert "A checkpoint should be at most" in record.error.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        "values = {}",
        "values['methods'] = 3",
        "values['methods'] = []",
        "values['methods'] = [None]",
        "values['methods'][0].pop('versions')",
        "values['methods'][0]['short'] = 'odd\\x1b[2J'",
        "values['methods'][0]['canonical'] = 'hard@uniform'",
        "values['methods'][0]['canonical'] = ''",
        "values['methods'][0]['versions'] = {'sharing/odd': 10**4000}",
        "values['methods'][0]['versions'] = {'suite/synthetic': 7}",
        "values['methods'][0]['versions'] = {1: 1}",
    ],
)
def test_a_forged_description_is_refused(player: Player, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    monkeypatch.setattr("bench.judge.host.Player", lambda limits: nullcontext(player))
    source = MethodSource("odd.py", method(top=FORGE.format(kind="described", change=change)))
    with pytest.raises(UsageError, match="should be described by its names and versions"):
        describe_methods(source, "synthetic", ["odd"], LIMITS)


@pytest.mark.parametrize(
    "change", ["while True: whole(self, kind, values)", "values['rule'] = 'x' * 2000", "values = {}"]
)
def test_a_check_takes_rules_and_not_any_number_of_them(
    player: Player, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr("bench.cli.check.MOST_RULES", 50)
    monkeypatch.setattr("bench.judge.host.Player", lambda *_, **__: Lent(player))
    source = MethodSource("odd.py", method(top=FORGE.format(kind="rule", change=change)))
    *_, last = check_confined([source], "", None, LIMITS)
    assert not last["passed"]
    assert last["advice"] in ("It answered more than 50 rules.", "What it answered is no rule.")
    assert player.is_alive


UNTOLD = """if len(inputs['task00']) == 1000:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            child, end = os.fork(), time.process_time() + 6
            while not child and time.process_time() < end: pass
            child or os._exit(0)
            while os.path.exists(f'/proc/{child}'): time.sleep(0.1)"""


def test_work_of_children_that_nobody_waits_for_is_seen(player: Player) -> None:
    error = judged(player, UNTOLD).record.error
    assert error is not None
    assert "of the processor" in error.message
