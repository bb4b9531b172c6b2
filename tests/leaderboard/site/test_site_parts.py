"""The parts that pages are made of: docstrings as prose, pictures taken apart, axes, commands."""

import pytest

from bench.records.sheet import Sheet
from bench.records.spec import Tuning
from leaderboard.site.commands import missing_commands, run_command
from leaderboard.site.figures.parts import abbreviate_number, make_log_axis
from leaderboard.site.panels import Panel, find_panels
from leaderboard.site.prose import split_code, split_prose
from leaderboard.store import Store

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("R(W) = v sum_t |w_t - mean(w)|^2, of every one.", ["R(W) = v sum_t |w_t - mean(w)|^2"]),
        (
            "prox_{s R}(W) = mean + (W - mean) / (1 + 2 s v), after the step",
            ["prox_{s R}(W) = mean + (W - mean) / (1 + 2 s v)"],
        ),
        ("One tower per task (copies of one); a matrix.", []),
        ("`l2` with w_t, and x <- y.", ["l2", "w_t", "x <- y"]),
        ("the form (W = L S) of T tasks", ["(W = L S)"]),
        ("With own=1 and rate=0 it is `single_task`.", ["own=1", "rate=0", "single_task"]),
    ],
)
def test_equations_and_names_are_code_and_nothing_is_lost(text, code):
    parts = split_code(text)
    assert parts[1::2] == code
    assert "".join(parts) == text.replace("`", "")


def test_options_are_a_list_and_lines_are_joined():
    paragraph, options = split_prose("One\ntwo.\n\nrate: a factor,\n    at least 0.\ninit: `tied`.")
    assert paragraph.text == ["One two."]
    assert options.options == [("rate", ["a factor, at least 0."]), ("init", ["", "tied", "."])]
    paragraph, options = split_prose("A sentence.\nrate: a factor.")
    assert (paragraph.text, options.options) == (["A sentence."], [("rate", ["a factor."])])
    (paragraph,) = split_prose("There are two\nends: a and b.")
    assert paragraph.text == ["There are two ends: a and b."]


def test_every_word_of_every_description_is_on_its_page():
    from leaderboard.intake.source_card import read_built_in_cards

    for card in read_built_in_cards().values():
        said = "".join(
            part
            for block in split_prose(card.text)
            for part in [*block.text, *(f"{name}: " + "".join(text) for name, text in block.options)]
        )
        assert "".join(said.split()) == "".join(card.text.replace("`", "").split()), card.name


def test_a_sheet_is_known_by_its_size():
    sheet = Sheet(("a", "b", "c"), 288, 216)
    assert sheet.size == (1192, 500)
    assert Sheet.of(["a", "b", "c"], *sheet.size) == sheet
    assert Sheet.of(["a", "b"], *sheet.size) is None
    assert Sheet.of(["a", "b", "c"], 1192, 501) is None


def test_tiles_cover_their_own_part_of_a_picture(tmp_path):
    tiles = Panel(tmp_path / "x.png", (1192, 500)).tiles(["a", "b", "c"])
    assert list(tiles) == ["input", "key", *(f"{what} {task}" for task in "abc" for what in ("truth", "prediction"))]
    tile = tiles["prediction b"]
    # An image so wide, moved so far, has the picture's pixels (600, 276) to (888, 492) in the box.
    assert tile.width * 288 / 100 == pytest.approx(1192)
    assert (tile.left * 288 / 100, tile.top * 216 / 100) == (pytest.approx(-600), pytest.approx(-276))
    assert tile.shape == 288 / 216


def test_pictures_are_found_once_and_links_and_strangers_are_not(tmp_path, make_record):
    store, record = Store(tmp_path / "store"), make_record()
    store.write(record)
    store.write_panels(record.spec, [PNG + bytes([0, 0, 4, 168, 0, 0, 1, 244]), PNG, b"no picture"])
    folder = store.path(record.spec).parent
    (folder / f"{record.run_id}.7.png").symlink_to(folder / f"{record.run_id}.0.png")
    (folder / "other.0.png").write_bytes(PNG)
    found = find_panels(store.root)
    assert {run: [panel.size for panel in panels] for run, panels in found.items()} == {
        record.run_id: [(1192, 500), (0, 0)]
    }
    assert find_panels(None) == {}


def test_ticks_of_a_logarithmic_axis_are_few_round_and_inside():
    for low, high in ((6_500, 19_000), (1e5, 3.5e5), (1, 1e6), (0.02, 0.07), (1.6, 1.7), (5, 5)):
        axis = make_log_axis(low, high)
        ends = [10**end for end in axis["range"]]
        assert 2 <= len(axis["tickvals"]) <= 4
        assert all(ends[0] <= value <= ends[1] for value in axis["tickvals"])
        assert ends[0] < low <= high < ends[1]
    assert [abbreviate_number(value) for value in (12_448, 1e6, 0.25, 3)] == ["12.4k", "1M", "0.25", "3"]


def test_commands_are_what_a_shell_takes(make_record):
    plain = make_record("soft+l2:halflife=10.0", 3)
    assert run_command(plain) == "mtlbench run toy soft+l2:halflife=10.0 --seeds 3"
    assert run_command(plain, "a b/method.py").endswith("--seeds 3 --plugin 'a b/method.py'")
    trial = make_record("hard", 1000)
    tuning = Tuning(of="hard", trial=4, stage="trial")
    spec = trial.spec.model_copy(update={"tuning": tuning})
    assert run_command(trial.model_copy(update={"spec": spec})) == "mtlbench tune toy hard --trials 5 --design random"
    old, new = (make_record("hard", 3, suite="multidigits", version=version) for version in (1, 2))
    assert run_command(old) == "mtlbench run multidigits hard --seeds 3 --protocol 1"
    assert run_command(new) == "mtlbench run multidigits hard --seeds 3"
    found = old.model_copy(update={"spec": old.spec.model_copy(update={"tuning": tuning})})
    assert run_command(found) == "mtlbench tune multidigits hard --trials 5 --design random --protocol 1"
    best = old.spec.model_copy(update={"tuning": Tuning(of="hard", trial=0, stage="best")})
    again = run_command(old.model_copy(update={"spec": best.model_copy(update={"overrides": {"lr": "0.5"}})}))
    assert again == "mtlbench curve multidigits hard --over lr=0.5 --final-seeds 3 --protocol 1"
    (missing,) = missing_commands("toy", ["a", "b"], "0-4", {"dial", "tuned"})
    assert missing[1] == "mtlbench run toy hard cross_stitch --set shuffled=b --seeds 0-4"
