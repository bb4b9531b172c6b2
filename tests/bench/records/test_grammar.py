"""The grammar of methods, suites and seeds, and the one sentence that a malformed text gets."""

import pytest

from bench.errors import UsageError
from bench.records import METHOD_PARTS, Call, complete_method, parse_call, parse_method, parse_seeds


@pytest.mark.parametrize(
    ("text", "sharing", "constraint", "weighting"),
    [
        ("hard", Call("hard"), None, None),
        ("hard:split=2", Call("hard", {"split": "2"}), None, None),
        ("soft+l2", Call("soft"), Call("l2"), None),
        ("hard@pcgrad", Call("hard"), None, Call("pcgrad")),
        (
            "soft:a=1+l2:b=2,c=x/y@w:d=-3",
            Call("soft", {"a": "1"}),
            Call("l2", {"b": "2", "c": "x/y"}),
            Call("w", {"d": "-3"}),
        ),
        ("soft+l2:strength=1e+1", Call("soft"), Call("l2", {"strength": "1e+1"}), None),
        ("soft:a=1e+1+l2", Call("soft", {"a": "1e+1"}), Call("l2"), None),
        ("soft:a=+1", Call("soft", {"a": "+1"}), None, None),
        ("hard@static:weights=1e+2/3", Call("hard"), None, Call("static", {"weights": "1e+2/3"})),
    ],
)
def test_method_grammar(text: str, sharing: Call, constraint: Call | None, weighting: Call | None) -> None:
    parts = parse_method(text)
    assert (parts.sharing, parts.constraint, parts.weighting) == (sharing, constraint, weighting)
    assert str(parts) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "A name should be given, as in `hard:split=2`. Found nothing."),
        ("2hard", "`2hard` should start with a name, as in `hard:split=2`. Found `2hard`."),
        ("soft+@uniform", "`soft+` should name a constraint after the `+`, as in `soft+l2`."),
        ("soft+1", "`soft+1` should start with a name, as in `hard:split=2`. Found `soft+1`."),
        ("hard@", "`hard@` should name a weighting after the `@`, as in `hard@uncertainty`."),
        (
            "soft@uniform+l2",
            "`soft@uniform+l2` should name its constraint before the weighting, as in `soft+l2@uniform`.",
        ),
        ("hard:", "The options of `hard` should read key=value,key=value. Found ``."),
        ("hard:split", "The options of `hard` should read key=value,key=value. Found `split`."),
        ("hard:split=", "The options of `hard` should read key=value,key=value. Found `split=`."),
        ("hard:=2", "The options of `hard` should read key=value,key=value. Found `=2`."),
        ("hard:split=2,", "The options of `hard` should read key=value,key=value. Found ``."),
        ("hard:split=1,split=2", "`hard` should be given each option once. Found `split` twice."),
        ("soft+l2+l1", "`soft+l2+l1` should hold at most one +constraint and one @weighting."),
        ("hard@a@b", "`hard@a@b` should hold at most one +constraint and one @weighting."),
    ],
)
def test_malformed_methods_get_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_method(text)
    assert str(caught.value) == message


def test_calls_are_written_with_sorted_keys() -> None:
    assert str(parse_call("multimnist:variant=sener,digits=fashion")) == "multimnist:digits=fashion,variant=sener"


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0-4", [0, 1, 2, 3, 4]), ("3", [3]), ("0,2,5-7", [0, 2, 5, 6, 7]), ("7, 0-1,1", [0, 1, 7]), ("4-4", [4])],
)
def test_seeds(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5-2", "Seeds should run upwards, as in `2-5`. Found `5-2`."),
        ("0-10000", "Seeds should be at most 10000 at a time. Found `0-10000`."),
        *(
            (bad, f"Seeds should read like `0-4` or `0,2,7`. Found `{bad}`.")
            for bad in ("", "a", "-1", "1-", "1,,2", "1.5")
        ),
    ],
)
def test_malformed_seeds_get_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_seeds(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("kind", "part", "sharing", "method"),
    [
        ("sharing", "hard:split=2", None, "hard:split=2"),
        ("constraint", "l2:strength=1e+1", None, "soft+l2:strength=1e+1"),
        ("constraint", "l2", "towers", "towers+l2"),
        ("weighting", "pcgrad", None, "hard@pcgrad"),
        ("weighting", "pcgrad", "mmoe:experts=2", "mmoe:experts=2@pcgrad"),
    ],
)
def test_a_lone_part_stands_for_a_method(kind: str, part: str, sharing: str | None, method: str) -> None:
    whole = complete_method(kind, parse_call(part), parse_call(sharing) if sharing else None)
    assert whole == parse_method(method)
    assert str(whole) == method
    assert str(getattr(whole, kind)) == part


def test_a_suite_is_no_part_of_a_method() -> None:
    assert "suite" not in METHOD_PARTS
    with pytest.raises(KeyError):
        complete_method("suite", Call("synthetic"))
