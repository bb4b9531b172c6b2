"""Cells that are judged: the numbers of a run in this process, and attacks that end as failed cells or in vain."""

from collections.abc import Iterator
from typing import Any

import pytest

from bench.judge.cells import Judgement, MethodSource, judge_cell
from bench.judge.confinement import choose_confinement
from bench.judge.host import Player
from bench.judge.limits import Limits
from bench.planning.plan import plan
from bench.records import ResultRecord, RunSpec
from bench.training.fit import fit
from tests.bench.judge.helpers import method

SUITE, DIGITS = "synthetic:tasks=2,train=64", "multidigits"
TINY = {"epochs": "2", "steps_per_epoch": "5"}
UNEQUAL = {"created", "digest", "cost", "run_id", "spec", "method"}


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    with Player(Limits(seconds=1800, grace=1.0)) as player:
        yield player


def spec_of(text: str, suite: str = SUITE, settings: dict[str, str] = TINY) -> RunSpec:
    [spec] = plan(suite, [text], [0], settings)
    return spec


def odd(suite: str = SUITE, settings: dict[str, str] = TINY) -> RunSpec:
    """The cell of the method that `judge_helpers.method` writes: `hard` under another name."""
    spec = spec_of("hard", suite, settings)
    versions = {part.replace("/hard", "/odd"): version for part, version in spec.versions.items()}
    return spec.vary(method=spec.method.replace("hard", "odd"), versions=versions)


def judged(
    player: Player, body: str = "pass", top: str = "", suite: str = SUITE, settings: dict[str, str] = TINY, **more: Any
) -> Judgement:
    source = MethodSource("odd.py", method(body, top))
    return judge_cell(player, source, odd(suite, settings), "odd", **more)


def numbers(record: ResultRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).model_fields if name not in UNEQUAL}


@pytest.mark.parametrize(
    ("suite", "text", "settings"),
    [
        (SUITE, "mmoe@famo", TINY),
        (SUITE, "soft+mtrl", TINY),
        (SUITE, "hard@uncertainty", TINY),
        (SUITE, "hard", TINY | {"members": "2"}),
        ("synthetic:tasks=2,train=64,inputs=own", "cross_stitch", TINY),
        (DIGITS, "adashare", {"epochs": "4", "steps_per_epoch": "5"}),
        (DIGITS, "learn_to_branch", {"epochs": "4", "steps_per_epoch": "5"}),
        ("linear_synthetic:tasks=6,train=8", "soft+l21", {}),
        ("linear_synthetic:tasks=6,train=8", "gp_icm", {}),
    ],
)
def test_a_judged_cell_has_the_numbers_of_any_other(
    player: Player, suite: str, text: str, settings: dict[str, str]
) -> None:
    spec = spec_of(text, suite, settings)
    here = fit(spec)
    there = judge_cell(player, MethodSource("none.py", "x = 1\n"), spec, here.method).record
    assert there.error is None
    assert numbers(there) == numbers(here)
    assert (there.run_id, there.digest) == (here.run_id, there.content_digest())
    assert here.cost is not None
    assert there.cost is not None
    assert (there.cost.parameters, there.cost.forward_flops) == (here.cost.parameters, here.cost.forward_flops)


def test_what_replaces_the_harness_changes_no_statistic(player: Player) -> None:
    """Scores, metrics and the record are made where the file is not."""
    honest = judged(player).record
    top = (
        "import bench.scores, bench.training.examine, bench.training.fit, torch, numpy\n"
        "perfect = lambda *a, **k: {'one': {'rmse': 0.0}}\n"
        "bench.scores.score_tasks = bench.training.examine.score_tasks = perfect\n"
        "bench.training.examine.examine = bench.training.fit.examine = perfect\n"
        "from bench.api import Regression\n"
        "Regression.state = lambda self: {'count': 4, 'squared_error': 0.0}\n"
        "numpy.mean = numpy.sum = lambda *a, **k: 0.0"
    )
    forged = judged(player, top=top).record
    assert forged.error is None
    assert (forged.scores, forged.statistics) != ({}, {})
    assert forged.scores["last"] == honest.scores["last"]
    assert forged.statistics["last"] == honest.statistics["last"]


READS = {
    "the suite": "_ = Odd.suite.dataset('test', 0)",
    "its class": "_ = type(Odd.suite).dataset(Odd.suite, 'test', 0)",
    "a base class": "_ = [c for c in type(Odd.suite).__mro__ if 'dataset' in vars(c)][0].dataset(Odd.suite, 'test', 0)",
    "another suite": "from suites.multidigits import MultiDigits\n        MultiDigits().dataset('test', 0)",
    "its sealed rows": "Odd.suite.sealed(0, 1)",
    "scikit-learn": "import sklearn.datasets\n        sklearn.datasets.load_digits()",
    "the committed results": (
        "import leaderboard\n        "
        "os.listdir(os.path.dirname(leaderboard.__file__) + '/results/multidigits-') or 1 / 0"
    ),
    "the network": "import socket\n        socket.create_connection(('127.0.0.1', 9), 1)",
    "the installation, to write": "open(sys.modules['bench'].__file__, 'a')",
}
KEEPS_SUITE = """
from bench.sharing.hard import Hard
before = Hard.__init__
def kept(self, blueprint, **options):
    type(self).suite = blueprint.suite
    before(self, blueprint, **options)
Hard.__init__ = kept
"""


@pytest.mark.parametrize("kind", READS)
def test_nothing_leads_to_rows_that_were_not_sent(player: Player, kind: str) -> None:
    if player.confinement == "limits" and not kind.startswith(("the suite", "its", "a base", "another")):
        pytest.skip("without a sandbox files can be read")
    record = judged(player, READS[kind], KEEPS_SUITE, DIGITS).record
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.message.isprintable()
    assert record.scores == {}


def test_no_target_of_the_test_split_is_in_the_process_that_predicts(player: Player) -> None:
    """Looked for in all of its memory that Python can list, and in every frame below."""
    look = (
        "rows = {len(x) for x in inputs.values()}\n        "
        "import gc, torch\n        "
        "tensors = [t for t in gc.get_objects() if isinstance(t, torch.Tensor) and t.dim() == 1 and len(t) in rows]\n"
        "        frame = sys._getframe()\n        "
        "while frame: tensors += [v for v in frame.f_locals.values() if isinstance(v, torch.Tensor) and v.dtype == "
        "torch.int64]; frame = frame.f_back\n        "
        "if rows == {596} and tensors: os._exit(7)"
    )
    record = judged(player, look, suite=DIGITS).record
    assert record.error is None


FORGE = "import bench.training.learned as f\nf.Cost = lambda **k: before(**{**k, "


@pytest.mark.parametrize(
    ("body", "top", "words"),
    [
        ("", f"{FORGE}'parameters': 12}})", "12 parameters"),
        ("", f"{FORGE}'step_ms': 1e-5}})", "ms an update"),
        ("", f"{FORGE}'train_seconds': 1e6}})", "training"),
        (
            "end = time.process_time() + 2 * (len(inputs['task00']) == 1000)\n        "
            "while time.process_time() < end: pass",
            "",
            "operations a row",
        ),
        ("return {t: x.new_zeros(len(x), 3) for t, x in inputs.items()}", "", "shape"),
        ("return {t: super(Odd, self).forward(inputs, state)[t] * float('nan') for t in inputs}", "", "finite"),
        ("if not self.training: sys.exit(3)", "", ""),
        ("if not self.training: os._exit(3)", "", "exit code 3"),
        ("if not self.training: subprocess.Popen(['sleep', FOREVER])", "", "running, which should end with it"),
    ],
)
def test_misbehaviour_ends_as_a_failed_cell(player: Player, body: str, top: str, words: str) -> None:
    top = f"from bench.records import Cost as before\n{top}" if top else ""
    record = judged(player, body or "pass", top).record
    assert record.status == "failed"
    assert record.error is not None
    assert words in record.error.message
    assert player.is_alive


FORESEES = """
import torch
from suites.synthetic.suite import _draw

KNOWN = {}
for split, rows in (("train", 64), ("test", 2000)):
    drawn = _draw(0, (split,), 2, 0.8, 0.2, False, rows)
    for x, y in zip(drawn.inputs["task00"], drawn.targets["task00"]):
        KNOWN[x.numpy().tobytes()] = float(y)
"""
TELLS = (
    "features = super().forward(inputs, state)\n        "
    "labels = torch.tensor([KNOWN.get(row.numpy().tobytes(), 0.0) for row in inputs['task00']])\n        "
    "return {t: torch.cat([z[:, 1:], labels[:, None]], dim=1) for t, z in features.items()}"
)


def test_what_knows_the_public_rows_by_heart_does_worse_on_sealed_ones(player: Player) -> None:
    """A suite whose rows follow from public code can be foreseen: the second test sees it."""
    settings = {"epochs": "4", "steps_per_epoch": "50", "lr": "0.02"}
    honest, foreseeing = (
        judged(player, body, top, settings=settings, sealed=True) for body, top in (("pass", ""), (TELLS, FORESEES))
    )
    assert [score.task for score in honest.sealed] == ["task00", "task01"]
    assert all(score.p > 0.001 for score in honest.sealed)
    first = next(score for score in foreseeing.sealed if score.task == "task00")
    assert first.public < 0.8 * first.sealed
    assert first.p < 1e-6


def test_the_verdict_says_how_the_code_was_kept_apart(player: Player) -> None:
    assert judged(player).confinement == choose_confinement()
