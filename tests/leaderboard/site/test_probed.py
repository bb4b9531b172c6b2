"""What pages and the terminal show of probes: means over runs, panels and maps."""

import numpy as np
import pytest

from bench.records import Packed, ProbeResults, ResultRecord
from leaderboard.report.probed import draw_probes, encode_probes, group_probed, tabulate_probes
from leaderboard.site.figures import plot_probes
from leaderboard.trust.ranges import find_out_of_range
from tests.leaderboard.conftest import build_record

MATRIX = np.array([[1.0, 0.5], [0.5, 1.0]])


def build_probed(seed: int, method: str = "cross_stitch", **changes: object) -> ResultRecord:
    """A record of tasks a and b whose numbers grow with the seed."""
    found: dict[str, object] = {
        "epochs": [1, 2, 3, 4],
        "sharing": {"0.weight": [0.5, 0.6, 0.7, 0.8 + 0.1 * seed]},
        "decodable": {"F": {"a": [0.1, 0.2, 0.3, 0.4], "b": [0.5, 0.6, 0.7, 0.8]}},
        "likeness": {"stage 0": Packed.pack(MATRIX)},
        "uses": {"stage 0": Packed.pack(-MATRIX)},
        "owners": {"shared": 2.0, "heads.a": 1.0},
        "blocks": {"A": {"a": 0.3, "b": 0.1}, "B": {"a": 0.2 + 0.2 * seed, "b": 0.0}},
    }
    return build_record(method, seed, {"a": 90.0, "b": 80.0}, probes=ProbeResults(**(found | changes)))  # type: ignore[arg-type]


def test_tables_have_means_over_the_runs_of_each_method() -> None:
    methods = group_probed([build_probed(0), build_probed(1), build_probed(0, "hard", sharing={})])
    assert [(each.label, len(each.found)) for each in methods] == [("cross_stitch", 2), ("hard", 1)]
    blocks, decodable, sharing, likeness, uses, owners = tabulate_probes(methods)
    assert blocks.head == ["A", "B", "A first %", "B first %"]
    assert blocks.lines[0] == ("cross_stitch", "a", [pytest.approx(0.3), pytest.approx(0.3), 50.0, 50.0])
    assert decodable.lines[1] == ("cross_stitch", "b", [None, 0.6, 0.8])  # no look before a tenth, the second, the last
    assert sharing.lines == [("cross_stitch", "", [None, 0.6, pytest.approx(0.85)])]
    assert likeness.lines[0] == ("cross_stitch", "", [0.5])
    assert uses.lines[1] == ("hard", "", [-0.5])
    assert owners.lines[0] == ("cross_stitch", "", [1.0, 1.5, 2.0])


def test_text_and_json_have_the_same_numbers() -> None:
    methods = group_probed([build_probed(0), build_probed(1)])
    text = draw_probes("mine", methods)
    assert "mine: cross_stitch (2 runs)." in text
    value = encode_probes("mine", methods)
    assert value["runs"] == {"cross_stitch": 2}
    assert len(value["tables"]) == text.count("\n\n·")
    assert value["tables"][2]["lines"][0]["at 100%"] == pytest.approx(0.85)
    assert "0.850" in text


def test_runs_without_probes_are_left_out() -> None:
    assert group_probed([build_record("hard", 0, {"a": 90.0})]) == []
    assert plot_probes([build_record("hard", 0, {"a": 90.0})], "probes") == []


def test_figures_are_lines_over_epochs_and_maps() -> None:
    over_time, likeness, uses = plot_probes([build_probed(0), build_probed(1)], "probes")
    assert over_time.panels
    assert over_time.panels.titles == ["effective sharing", "R² of F"]
    assert over_time.traces[0]["x"] == [1, 2, 3, 4]
    assert over_time.traces[0]["y"] == [0.5, 0.6, 0.7, 0.85]
    assert likeness.panels
    assert likeness.panels.titles == ["stage 0"]
    assert np.allclose(uses.traces[0]["z"], -MATRIX)
    assert over_time.text.endswith("Mean over 2 runs.")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sharing": {"w": [0.5, 0.5, 0.5, 1.5]}}, "probes.sharing.w"),
        ({"sharing": {"w": [0.5]}}, "probes.sharing.w"),
        ({"decodable": {"F": {"a": [0.0, 0.0, 0.0, -2.0]}}}, "probes.decodable.F.a"),
        ({"likeness": {"stage 0": Packed.pack(np.full((2, 2), np.inf))}}, "probes.stage 0"),
    ],
)
def test_numbers_that_no_probe_finds_are_named(changes: dict[str, object], named: str) -> None:
    assert not [reason for reason in find_out_of_range(build_probed(0)) if reason.startswith("probes")]
    assert [reason for reason in find_out_of_range(build_probed(0, **changes)) if reason.startswith(named)]
