"""Options: a constructor's signature is the schema, one value has one text, and a mistake gets one sentence."""

import inspect
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Le, Lt
from torch import Tensor

from bench.catalogue.method import Method
from bench.catalogue.options import Infinite, Replaces, fill_defaults, options_as_text, read_options, write
from bench.catalogue.plugin_files import load_plugin
from bench.catalogue.registry import PACKAGES, choose, list_entries, register
from bench.core.state import StepState
from bench.core.weighting import Weighting
from bench.errors import UsageError, quote_nearest
from bench.planning.plan import parse_suite
from bench.records import parse_call
from tests.bench.methods import catalogue


class Toy:
    """One option of every kind."""

    def __init__(
        self,
        tasks: list[str],
        plain: int = 3,
        *,
        own: Annotated[float, Interval(ge=0, lt=1)] = 0.5,
        rate: Annotated[float, Gt(0), Le(2)] = 1.0,
        free: float = 0.0,
        split: Annotated[int | None, Ge(1)] = None,
        below: Annotated[int, Lt(3)] = 0,
        flag: bool = False,
        mode: Literal["one", "two"] = "one",
        cross: Literal[0, 1] = 1,
        weights: tuple[Annotated[float, Ge(0)], ...] | None = None,
        sizes: tuple[int, ...] = (4, 2),
        label: str = "none",
        dial: Annotated[float | None, Ge(0), Infinite()] = 100.0,
        strength: Annotated[float | None, Ge(0), Replaces("dial")] = None,
    ) -> None:
        pass


OPTIONS = read_options(Toy)


def test_keyword_only_parameters_are_the_options() -> None:
    assert list(OPTIONS) == [
        *("own", "rate", "free", "split", "below", "flag", "mode"),
        *("cross", "weights", "sizes", "label", "dial", "strength"),
    ]
    assert {name for name, option in OPTIONS.items() if option.replaces} == {"strength"}


@pytest.mark.parametrize(
    ("option", "text", "value", "canonical"),
    [
        ("own", "0", 0.0, "0.0"),
        ("own", "-0.0", 0.0, "0.0"),
        ("own", ".25", 0.25, "0.25"),
        ("own", "0.1000000000000000055511151231257827", 0.1, "0.1"),
        ("rate", "2", 2.0, "2.0"),
        ("rate", "1e-5", 1e-5, "1e-05"),
        ("free", "-1e+1", -10.0, "-10.0"),
        ("dial", "inf", math.inf, "inf"),
        ("dial", "none", None, "none"),
        ("split", "none", None, "none"),
        ("split", "2", 2, "2"),
        ("below", "-7", -7, "-7"),
        ("flag", "true", True, "true"),
        ("flag", "false", False, "false"),
        ("mode", "two", "two", "two"),
        ("cross", "0", 0, "0"),
        ("weights", "none", None, "none"),
        ("weights", "0.5/1.5", (0.5, 1.5), "0.5/1.5"),
        ("weights", "1", (1.0,), "1.0"),
        ("sizes", "8/16/32", (8, 16, 32), "8/16/32"),
        ("label", "none", "none", "none"),
    ],
)
def test_values_and_their_one_text(option: str, text: str, value: Any, canonical: str) -> None:
    parsed = OPTIONS[option].parse("toy", text)
    assert (parsed, type(parsed)) == (value, type(value))
    assert write(parsed) == canonical
    assert OPTIONS[option].parse("toy", canonical) == value


@pytest.mark.parametrize(
    ("option", "texts", "expectation"),
    [
        ("own", ["1", "-0.1", "x", "", "nan", "none", "inf"], "be a number in [0, 1)"),
        ("rate", ["0", "2.5"], "be a number in (0, 2]"),
        ("free", ["nan", "1/2", "1,5", "inf"], "be a finite number"),
        ("split", ["0", "1.5", "x"], "be a whole number in [1, inf)"),
        ("below", ["3", "none"], "be a whole number in (-inf, 3)"),
        ("flag", ["maybe"], "be `true` or `false`"),
        ("mode", ["One", "three", "none"], "be `one` or `two`"),
        ("cross", ["2", "--1", "²", "true"], "be `0` or `1`"),
        ("weights", ["-1/2", "a", "1/", "nan"], "be a list like 0.5/0.5, each a number in [0, inf)"),
        ("sizes", ["1.5", "none"], "be a list like 0.5/0.5, each a whole number"),
        ("dial", ["-1", "nan"], "be a number in [0, inf]"),
    ],
)
def test_wrong_values_get_one_sentence(option: str, texts: list[str], expectation: str) -> None:
    for text in texts:
        with pytest.raises(UsageError) as caught:
            OPTIONS[option].parse("toy", text)
        assert str(caught.value) == f"`{option}` of `toy` should {expectation}. Found `{option} = {text}`."


def test_defaults_are_filled_and_short_forms_drop_them() -> None:
    values = fill_defaults("toy", OPTIONS, {"own": "0.25", "mode": "one"})
    assert values == {name: option.default for name, option in OPTIONS.items()} | {"own": 0.25}
    assert options_as_text(OPTIONS, values)["sizes"] == "4/2"
    assert options_as_text(OPTIONS, values, short=True) == {"own": "0.25"}


def test_an_option_that_replaces_another() -> None:
    values = fill_defaults("toy", OPTIONS, {"strength": "2"})
    assert (values["strength"], values["dial"]) == (2.0, None)
    assert options_as_text(OPTIONS, values, short=True) == {"strength": "2.0"}  # `dial=none` is implied
    assert fill_defaults("toy", OPTIONS, {"strength": "2", "dial": "none"}) == values
    assert fill_defaults("toy", OPTIONS, {"strength": "none"})["dial"] == 100.0
    with pytest.raises(UsageError) as caught:
        fill_defaults("toy", OPTIONS, {"dial": "1", "strength": "2"})
    assert str(caught.value) == "`toy` should be given `strength` or `dial`. Found both."


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("strenght", "`toy` has no option `strenght`; the nearest it has: `strength`, `weights`."),
        ("plain", "`toy` has no option `plain`; the nearest it has: `split`."),
    ],
)
def test_unknown_options_get_the_nearest(key: str, message: str) -> None:
    with pytest.raises(UsageError, match="has no option") as caught:
        fill_defaults("toy", OPTIONS, {key: "1"})
    assert str(caught.value) == message


def test_nearest_names_all_where_none_is_close() -> None:
    assert quote_nearest("zzz", ["b", "a"]) == "`a`, `b`"
    assert quote_nearest("crossstitch", ["hard", "cross_stitch", "soft"]) == "`cross_stitch`"


# --- the built-in methods and suites -----------------------------------------------------------


@pytest.mark.parametrize("text", [*catalogue(), "soft+l2:strength=1e+1", "hard@static:weights=1/2"])
def test_methods_read_back_what_they_write(text: str) -> None:
    method = Method.parse(text)
    for form in (method.canonical, method.short):
        again = Method.parse(form)
        assert again == method
        assert (again.canonical, again.short) == (method.canonical, method.short)


@pytest.mark.parametrize(
    ("text", "short", "canonical"),
    [
        ("hard@uniform", "hard", "hard:split=none@uniform:reduction=sum"),
        ("hard:split=02", "hard:split=2", "hard:split=2@uniform:reduction=sum"),
        (
            "soft+l2:strength=1e-3,form=prox",
            "soft+l2:strength=0.001",
            "soft:init=tied+l2:form=prox,halflife=none,strength=0.001@uniform:reduction=sum",
        ),
        (
            "soft+l2:halflife=1e3@uniform:reduction=mean",
            "soft+l2:halflife=1000.0@uniform:reduction=mean",
            "soft:init=tied+l2:form=prox,halflife=1000.0,strength=none@uniform:reduction=mean",
        ),
    ],
)
def test_method_forms(text: str, short: str, canonical: str) -> None:
    method = Method.parse(text)
    assert (method.short, method.canonical) == (short, canonical)


def test_versions_name_every_part() -> None:
    assert Method.parse("soft+l2@static").versions == {"sharing/soft": 1, "constraint/l2": 1, "weighting/static": 1}


@pytest.mark.parametrize("kind", PACKAGES)
def test_every_option_is_explained(kind: str) -> None:
    """The docstring of a registered class has a paragraph `name: what it does` for each option."""
    documents = {name: inspect.getdoc(entry.cls) or "" for name, entry in list_entries(kind).items()}
    missing = [
        (name, option)
        for name, entry in list_entries(kind).items()
        for option in entry.options
        if f"\n{option}: " not in documents[name]
    ]
    assert missing == []
    assert all(entry.summary.endswith(".") for entry in list_entries(kind).values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hrad", "There is no sharing `hrad`; the nearest: `hard`, `lora`."),
        ("soft+l3", "There is no constraint `l3`; the nearest: `l2`, `l1`."),
        ("hard@uniformly", "There is no weighting `uniformly`; the nearest: `uniform`."),
        ("hard:spilt=1", "`hard` has no option `spilt`; the nearest it has: `split`."),
        ("cross_stitch:own=1.3", "`own` of `cross_stitch` should be a number in [0, 1]. Found `own = 1.3`."),
        ("soft", "`soft` needs a constraint to hold its towers together, as in `soft+l2`."),
    ],
)
def test_mistakes_in_a_method_get_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Method.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("synthetik", "There is no suite `synthetik`; the nearest: `synthetic`, `deep_synthetic`, `linear_synthetic`."),
        ("multidigits:size=3", "`multidigits` has no option `size`; the nearest it has: `split`."),
        ("landmine:size=3", "`landmine` has no options. Found `size`."),
        ("synthetic:tasks=101", "`tasks` of `synthetic` should be a whole number in [1, 100]. Found `tasks = 101`."),
        ("multimnist:train=100", "`train` of `multimnist` should be 0 or in [256, 50000]. Found `100`."),
    ],
)
def test_mistakes_in_a_suite_get_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_suite(text)
    assert str(caught.value) == message


# --- the registry ------------------------------------------------------------------------------


class Halves(Weighting):
    """Weights of a half."""

    def forward(self, state: StepState) -> Tensor:
        return state.losses.new_full(state.losses.shape, 0.5)


def test_names_are_taken_once_per_kind() -> None:
    register("hard")(Halves)  # the sharing of this name is another kind
    with pytest.raises(ValueError, match=r"^The weighting `hard` is registered already, by .*test_options\.$"):
        register("hard")(Halves)
    with pytest.raises(
        ValueError, match=r"^The weighting `uniform` is registered already, by bench\.weightings\.uniform\.$"
    ):
        register("uniform")(Halves)
    assert list_entries("weighting")["uniform"].cls.__module__ == "bench.weightings.uniform"


def test_only_the_four_abstractions_are_registered() -> None:
    with pytest.raises(
        TypeError, match=r"^`toy` should be a Suite, Backbone, Sharing, Constraint or Weighting\. Found object\.$"
    ):
        register("toy")(Toy)


def test_options_without_a_default_are_refused() -> None:
    class Needy(Halves):
        def __init__(self, tasks: list[str], *, fine: int = 1, gain: float) -> None:
            super().__init__(tasks)

    with pytest.raises(TypeError, match=r"^Every option of `needy` should have a default\. Found none for `gain`\.$"):
        register("needy")(Needy)
    assert "needy" not in list_entries("weighting")


PLUGIN = '''
from pathlib import Path

from bench.api import Weighting, register
from bench.sharing.hard import Trunk  # a built-in, which is not the plug-in's

with Path(__file__).with_suffix(".log").open("a") as log:
    log.write("loaded")


@register("plugged", version=3, paper="none")
class Plugged(Weighting):
    """Weights of `gain`. Twice."""

    def __init__(self, tasks: list[str], *, gain: float = 2.0) -> None:
        super().__init__(tasks)
        self.gain = gain

    def forward(self, state):
        return state.losses.new_full(state.losses.shape, self.gain)
'''


def test_a_plugin_file_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "my_weighting.py"
    file.write_text(PLUGIN)
    assert load_plugin(file) == [("weighting", "plugged")]
    monkeypatch.chdir(tmp_path)
    assert load_plugin(Path("my_weighting.py")) == [("weighting", "plugged")]
    assert file.with_suffix(".log").read_text() == "loaded"
    method = Method.parse("hard@plugged:gain=3")
    assert method.versions["weighting/plugged"] == 3
    assert method.weighting.build(["a", "b"]).gain == 3.0
    assert choose("weighting", parse_call("plugged")).entry.summary == "Weights of `gain`. Twice."


def test_a_plugin_cannot_take_a_built_in_name(tmp_path: Path) -> None:
    file = tmp_path / "thief.py"
    file.write_text(PLUGIN.replace('"plugged"', '"uniform"'))
    with pytest.raises(
        UsageError,
        match=r"^`thief\.py` should import without an error\. Found ValueError: The weighting `uniform` is registered "
        r"already, by bench\.weightings\.uniform \(thief\.py, line 11\)\.$",
    ):
        load_plugin(file)


def test_a_missing_plugin_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^A plug-in should be a Python file\. Found nothing at `.*nowhere\.py`\.$"):
        load_plugin(tmp_path / "nowhere.py")


@pytest.mark.parametrize(
    ("signature", "found"),
    [
        ("width=1.0", "none"),
        ("width: list[int] = None", "`list[int]`"),
        ("width: dict = None", "`dict`"),
        ("width: Any = 1", "`Any`"),
        ("width: tuple[list[int], ...] = ()", "`tuple[list[int], ...]`"),
        ("width: float | list[int] = 1.0", "`float | list[int]`"),
        ("width: None = None", "`None`"),
        ("width: Annotated[list[int], Added()] = None", "`typing.Annotated[list[int], Added()]`"),
    ],
)
def test_an_option_that_no_text_can_be_read_as_is_refused(tmp_path: Path, signature: str, found: str) -> None:
    file = tmp_path / "odd.py"
    lines = PLUGIN.replace("gain: float = 2.0", f"gain: float = 2.0, {signature}")
    file.write_text("from typing import Annotated, Any\nfrom bench.api import Added\n" + lines)
    with pytest.raises(UsageError) as error:
        load_plugin(file)
    assert str(error.value).startswith("`odd.py` should import without an error. Found TypeError: The option `width`")
    assert "`plugged` should be annotated as `float`, `int`, `bool`, `str`, a `Literal`, a list as" in str(error.value)
    assert f" Found {found} (odd.py, line " in str(error.value)
    assert "plugged" not in list_entries("weighting")


def test_an_error_of_syntax_is_said_with_its_own_line(tmp_path: Path) -> None:
    file = tmp_path / "odd.py"
    file.write_text("x = 1\ndef f(:\n")
    with pytest.raises(UsageError, match=r"Found SyntaxError: .* \(odd\.py, line 2\)\.$"):
        load_plugin(file)


@pytest.mark.parametrize("name", ["My-Method", "2nd", "", "my method", "größe"])
def test_a_name_that_no_method_text_could_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="A name should be letters, digits and `_`, as `my_method`"):
        register(name)(Halves)


def test_a_choice_that_is_called_none_is_no_missing_value() -> None:
    class Made:
        """Takes an option."""

        def __init__(self, blueprint: object, *, use: Literal["target", "none"] | None = None) -> None:
            pass

    option = read_options(Made)["use"]
    assert option.parse("mine", "none") == "none"
