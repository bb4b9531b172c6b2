"""Judged cells: a submitted method is trained in a confined process; a worker scores it and stores the record.

Used by `mtlbench submit` and `mtlbench verify --rerun`. What happens inside a judged cell is in `bench.judge`; this
module plans such cells, gives each worker a player, and collects what was seen from outside.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bench.engines.events import EpochCallback
from bench.errors import UsageError, make_printable
from bench.execution.cell import StoredCell
from bench.execution.execute import Execution
from bench.execution.keep import Made
from bench.execution.plan_status import PlanStatus
from bench.execution.verbosity import Verbosity
from bench.judge.limits import Limits
from bench.records import RunSpec, digest
from leaderboard.store import Store

if TYPE_CHECKING:
    from bench.engines import Engine
    from bench.judge.cells import Judgement, MethodSource
    from bench.judge.host import Player
    from bench.training.checkpoint import Checkpoint
    from leaderboard.boards.board import Board

MAX_NAME = 10_000  # characters of a method's name: one with many options is long
MAX_VERSION = 1 << 31  # of a part


@dataclass(frozen=True)
class JudgedCell(StoredCell):
    """As `StoredCell`, for a method in a file that no worker imports.

    Attributes:
        name: Of the file.
        text: Of the file.
        shorts: Pairs of a method and its name in tables.
        limits: Bounds of one player.
        deadline: When all runs should be over, on the clock of `time.monotonic`, which all processes share.
        sealed: Whether every cell takes the second test on fresh rows.
        reports: A folder into which RUN_ID.json with what was seen from outside is written; None for none.
    """

    name: str = ""
    text: str = ""
    shorts: tuple[tuple[str, str], ...] = ()
    limits: Limits = field(default_factory=Limits)
    deadline: float = float("inf")
    sealed: bool = False
    reports: Path | None = None
    modules: ClassVar[tuple[str, ...]] = ("bench.judge.cells", "bench.judge.host")

    def needs(self, spec: RunSpec) -> frozenset[str]:
        """Nothing: no worker loads the file, so any worker can run any cell."""
        return frozenset()

    def make(self, spec: RunSpec, on_epoch: EpochCallback, checkpoint: "Checkpoint | None" = None) -> Made:
        """Have the cell trained in this worker's player; returns the record and its panels.

        A checkpoint, where one is given, is kept by the judge: a player keeps nothing between requests.
        """
        from bench.judge.cells import MethodSource, judge_cell
        from bench.training.gallery import Gallery

        gallery = Gallery(self.images) if self.images else None
        kept = (Store(self.store).checkpoint(spec), self.checkpoint) if checkpoint else None
        player = _start_player(self.limits, self.deadline, spec.protocol.device == "cuda")
        source, short = MethodSource(self.name, self.text), dict(self.shorts)[spec.method]
        judged = judge_cell(player, source, spec, short, self.data_dir, on_epoch, gallery, kept, self.sealed)
        # A failed method leaves its player alive; a broken limit ends it.
        if judged.record.status == "failed" and not player.is_alive:
            # The player was ended for what this cell did; the next cell starts another.
            _start_player.cache_clear()
        if self.reports:
            self._report(spec, judged)
        return Made(judged.record, gallery.panels if gallery else [])

    def _report(self, spec: RunSpec, judged: "Judgement") -> None:
        """Write what was seen from outside: confinement, counted numbers, the second test, notes."""
        from leaderboard.store.json_text import write_whole

        assert self.reports is not None
        content = {
            "confinement": judged.confinement,
            "numbers": judged.numbers,
            "sealed": [asdict(score) for score in judged.sealed],
            "notes": judged.notes,
        }
        write_whole(self.reports / f"{spec.run_id}.json", json.dumps(content))


@cache
def _start_player(limits: Limits, deadline: float, gpu: bool) -> "Player":
    """This worker's player, started at the first cell; it ends when the worker does.

    Its time is what is left until `deadline`, at least a second.
    """
    from bench.judge.host import Player

    left = max(1.0, min(limits.seconds, deadline - time.monotonic()))
    return Player(replace(limits, seconds=left), gpu=gpu).__enter__()


def execute_judged(
    outcome: PlanStatus,
    cell: JudgedCell,
    engine: "Engine",
    stores: Sequence[Path],
    verbosity: Verbosity = Verbosity.NORMAL,
) -> list[str]:
    """Run what is missing; returns a sentence for each of `stores` that changed meanwhile.

    Stores are compared where there is no sandbox: then a method could write to them.
    """
    from bench.judge.confinement import choose_confinement
    from bench.judge.watched import watch_folders

    with watch_folders(stores if choose_confinement() == "limits" else []) as troubles:
        Execution(cell, engine, verbosity=verbosity).run_missing(outcome)
    return troubles


def describe_methods(
    source: "MethodSource", suite: str, methods: Sequence[str], limits: Limits
) -> list[dict[str, Any]]:
    """`canonical`, `short` and `versions` of methods, as the file in a confined process names them.

    Args:
        source: The file.
        suite: The suite that the methods should fit.
        methods: Texts of methods.
        limits: Bounds of the process.

    Raises:
        UsageError: A method does not parse or fit the suite, the file fails to import, or the process breaks a limit.
    """
    from bench.judge.host import MethodFailed, Player, PlayerFailed

    try:
        with Player(limits) as player:
            values = source.sent | {"suite": suite, "methods": list(methods)}
            with player.request("describe", values) as request:
                described = request.receive("described").values.get("methods")
    except MethodFailed as error:
        raise UsageError(error.message if error.is_usage else f"{error.type}: {error.message}") from error
    except PlayerFailed as error:
        raise UsageError(str(error)) from error
    if not isinstance(described, list) or len(described) != len(methods):
        # An answer of another length fails the check below, method by method.
        described = [None] * len(methods)
    for text, entry in zip(methods, described, strict=True):
        _check_description(text, entry)
    return list(described)


def _check_description(text: str, entry: Any) -> None:
    """Raise UsageError where what a file says of its method `text` has another form than it should.

    Names should be printable, parse as methods and name the sharing that was asked for; versions should be whole
    numbers, none of them a suite's.
    """
    from bench.records.grammar import parse_method

    try:
        names, versions = [entry["canonical"], entry["short"]], entry["versions"]
        sound = all(name.isprintable() and len(name) < MAX_NAME for name in [*names, *versions])
        sound = sound and all(type(v) is int and 0 <= v < MAX_VERSION for v in versions.values())
        sound = sound and not any(part.startswith("suite/") for part in versions)
        asked, whole, brief = (parse_method(name) for name in (text, *names))
        sound = sound and all(of.sharing.name == asked.sharing.name for of in (whole, brief))
    except (TypeError, LookupError, AttributeError, ValueError):
        sound = False
    if not sound:
        raise UsageError(
            f"`{make_printable(text)}` should be described by its names and versions. Found something else."
        )


def plan_judged(
    board: "Board",
    described: Sequence[dict[str, Any]],
    seeds: Sequence[int],
    device: str,
    data_dir: Path | None,
    code: str,
) -> list[RunSpec]:
    """Plan the cells of methods that a player described, under the protocol of the board's suite.

    Args:
        board: Decides about the suite.
        described: From `describe_methods`.
        seeds: Of each method.
        device: As --device.
        data_dir: Where data sets are.
        code: SHA-256 of the file, which the parts come from that are not built in.
    """
    from bench.planning.plan import parse_suite, resolve_device
    from leaderboard.intake.source_card import read_built_in_cards

    choice, suite = parse_suite(board.suite, data_dir, board.protocol)
    # Solvers have one implementation, on the processor.
    device = "cpu" if suite.protocol.fit == "solver" and device == "auto" else device
    protocol = suite.protocol.model_copy(update={"device": resolve_device(device)})
    data = digest(suite.checksums())
    return [
        RunSpec(
            suite=choice.canonical,
            method=method["canonical"],
            seed=seed,
            protocol=protocol,
            versions={f"suite/{choice.entry.name}": choice.entry.version, **method["versions"]},
            data=data,
            code={part: code for part in method["versions"] if part.partition("/")[2] not in read_built_in_cards()},
        )
        for method in described
        for seed in seeds
    ]


def print_confinement() -> None:
    """Tell on standard error how somebody else's code is confined on this machine."""
    from bench.judge.confinement import choose_confinement, describe_confinement

    print(f"The method runs {describe_confinement(choose_confinement())}.", file=sys.stderr, flush=True)
