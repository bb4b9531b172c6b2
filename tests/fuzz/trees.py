"""Damage to a JSON value as somebody makes it who knows the format: types, sizes, places, names and numbers."""

import base64
import copy
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Path = tuple[str | int, ...]
Generator = np.random.Generator

WHOLE = (0, 1, -1, 2, 10_000, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, 10**400, -(10**400), int("9" * 4300))
REAL = (0.0, -0.0, 0.5, -1.5, 1e-320, 1e-12, 1e15, 1e150, 1e300, 1.7e308, -1e308, 100.0, 100.00000001)
TEXTS = (
    *("", " ", "x", "1", "0.5", "NaN", "inf", "null", "true", "single_task", "hard", "val", "last", "trial", "final"),
    *("\x00", "\x1b[2J", "a\nb", "a\rb", "\u202eabc", "\u2028", "\u200b", "e\u0301" * 40, "\U0001f9ea" * 30, "漢" * 50),
    *("=1+1", "@x", "| a | b |", "`", "```", "::add-mask::x", "##[group]x", "<script>x</script>", "{{ x }}", "%s {0}"),
    *("../../../etc/passwd", "/abs", "a/b", ".", "..", "x" * 1001, "y" * 30_000, "a" * 121, "2999-01-01T00:00:00"),
    *("2026-01-01T00:00:00+00:00", "0" * 64, "f" * 16, "mine@uniform", "a:b=c", "a:b=c,d", "a+b+c", "a@b@c"),
)
OTHERS = (None, True, False, [], {}, [[]], [{}], {"": 0}, [None], [1, [2, [3]]], {"a": {"b": {"c": 1}}})
TOKENS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1E5", "0x10", "01", "+1", "1.", ".5", "1_000", "tru", "nul"),
    *("'a'", '"\\ud800"', '"\\u0000"', '"\\x41"', "1e-9999", "0.1" + "0" * 5000, "9" * 5000, "//", "/**/1", "1 2", ""),
)


def places(value: Any, before: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value, its own first."""
    yield before
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*before, key))


def at(value: Any, place: Path) -> Any:
    """What stands at a place."""
    for key in place:
        value = value[key]
    return value


def put(value: Any, place: Path, new: Any) -> None:
    """Replace what stands at a place that is not the first."""
    at(value, place[:-1])[place[-1]] = new


def draw(items: Any, generator: Generator) -> Any:
    """One of them, as it is."""
    return items[int(generator.integers(len(items)))]


def somewhere(value: Any, generator: Generator, wanted: Callable[[Any], bool] = lambda _: True) -> Path | None:
    """A place of `wanted` content: often among the first keys, so that many items in one list do not take all."""
    place: Path = ()
    for _ in range(12):
        inside = at(value, place)
        keys = list(inside) if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else ()
        if not len(keys) or (place and generator.random() < 0.25 and wanted(inside)):
            break
        place = (*place, draw(keys, generator))
    return place if place and wanted(at(value, place)) else None


def junk(generator: Generator) -> Any:
    """A value of any type."""
    return copy.deepcopy(draw(draw((WHOLE, REAL, TEXTS, OTHERS), generator), generator))


def drop(value: Any, generator: Generator) -> None:
    """Something is missing."""
    if place := somewhere(value, generator):
        del at(value, place[:-1])[place[-1]]


def retype(value: Any, generator: Generator) -> None:
    """Something is of another type, or far too large."""
    if place := somewhere(value, generator):
        put(value, place, junk(generator))


def change(value: Any, generator: Generator) -> None:
    """A number is another, of the same type or not."""
    place = somewhere(value, generator, lambda item: isinstance(item, int | float))
    if place:
        number = at(value, place)
        ways: tuple[Callable[[Any], Any], ...] = (
            *(lambda n: n + 1, lambda n: -n, lambda n: n * 2, lambda n: n * (1 + 1e-10), lambda n: n * 1.01),
            *(float, str, bool, lambda n: [n], lambda n: draw(WHOLE, generator), lambda n: draw(REAL, generator)),
        )
        try:
            put(value, place, draw(ways, generator)(number))
        except OverflowError:
            put(value, place, 0)


def add(value: Any, generator: Generator) -> None:
    """Something comes on top: a key that is not known, or is known elsewhere; an item once more."""
    place = somewhere(value, generator, lambda item: isinstance(item, dict | list)) or ()
    inside = at(value, place)
    if isinstance(inside, dict):
        name = draw(TEXTS, generator) if generator.random() < 0.5 else draw([*value, *inside, "x"], generator)
        known = list(inside.values())
        inside[name] = copy.deepcopy(draw(known, generator)) if known and generator.random() < 0.7 else junk(generator)
    elif isinstance(inside, list):
        inside += [copy.deepcopy(draw(inside, generator)) if inside else 0] * int(generator.integers(1, 40))


def rename(value: Any, generator: Generator) -> None:
    """A key becomes another, in its place."""
    place = somewhere(value, generator)
    if place and isinstance(inside := at(value, place[:-1]), dict):
        name = draw((*TEXTS, *inside, *value, f"{place[-1]} ", str(place[-1]).upper()), generator)
        items = [(name if key == place[-1] else key, item) for key, item in inside.items()]
        inside.clear()
        inside.update(items)


def exchange(value: Any, generator: Generator) -> None:
    """Two things of one container, or of any two places, stand in each other's place: tasks, rules, rows."""
    one, other = somewhere(value, generator), somewhere(value, generator)
    if one and generator.random() < 0.7:
        inside = at(value, one[:-1])
        other = (*one[:-1], draw(list(inside) if isinstance(inside, dict) else range(len(inside)), generator))
    if one and other and one != other[: len(one)] and other != one[: len(other)]:
        first, second = at(value, one), at(value, other)
        put(value, one, second)
        put(value, other, first)


def nest(value: Any, generator: Generator) -> None:
    """Deeper than anything is."""
    if place := somewhere(value, generator):
        inside = at(value, place)
        for _ in range(int(draw((1, 10, 17, 60, 200, 400), generator))):
            inside = [inside] if generator.random() < 0.5 else {"a": inside}
        put(value, place, inside)


def stretch(value: Any, generator: Generator) -> None:
    """Very many, or very long."""
    if place := somewhere(value, generator):
        count = int(draw((100, 3_000, 20_000), generator))
        new: Any = draw(([0] * count, "z" * count, {f"k{n}": 0 for n in range(count // 2)}, [[0] * 60] * 60), generator)
        put(value, place, new)


def repack(value: Any, generator: Generator) -> None:
    """What is packed as base64 holds something else."""
    place = somewhere(value, generator, lambda item: isinstance(item, str) and len(item) > 12)
    if not place:
        return
    text = at(value, place)
    try:
        data = base64.b64decode(text, validate=True)
        data = zlib.decompress(data) if data[:1] == b"x" else data
    except (ValueError, zlib.error):
        data = text.encode()
    counts = bytearray(data)
    if counts:
        counts[int(generator.integers(len(counts)))] = int(generator.integers(256))
    packed = base64.b64encode(zlib.compress(bytes(counts), 9)).decode()
    bomb = base64.b64encode(zlib.compress(bytes(1 << 20), 9)).decode()
    choices = (packed, bomb, base64.b64encode(counts).decode(), text[:-1], text + "=", text[: len(text) // 2], text * 2)
    put(value, place, draw(choices, generator))


MUTATIONS = (drop, retype, retype, change, change, change, add, rename, exchange, exchange, nest, stretch, repack)


def mutated_tree(value: Any, seed: int) -> Any:
    """A copy of a JSON object with one to three mutations, the same for the same seed."""
    generator = np.random.default_rng(seed)
    tree = copy.deepcopy(value)
    for _ in range(int(generator.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))):
        if isinstance(tree, dict | list) and tree:
            draw(MUTATIONS, generator)(tree, generator)
    return tree


def mutated_text(value: Any, seed: int) -> bytes:
    """JSON text of a value in which one thing is written in another way, valid or not; a key comes twice."""
    generator = np.random.default_rng(seed)
    tree, mark = copy.deepcopy(value), "@@here@@"
    place = somewhere(tree, generator) or next(iter(places(tree)))
    if place and isinstance(inside := at(tree, place[:-1]), dict) and generator.random() < 0.4:
        old, new = inside[place[-1]], json.dumps(junk(generator))
        pair = [json.dumps(old), new][:: 1 if generator.random() < 0.5 else -1]
        put(tree, place, mark)
        key = json.dumps(place[-1])
        return json.dumps(tree).replace(f'{key}: "{mark}"', f"{key}: {pair[0]}, {key}: {pair[1]}").encode()
    if not place:
        return b""
    put(tree, place, mark)
    depth = int(draw((20, 300, 20_000), generator))
    deep = (f"{'[' * depth}{']' * depth}", '{"a":' * depth + "1" + "}" * depth)
    return json.dumps(tree).replace(f'"{mark}"', draw((*TOKENS, *deep), generator)).encode("utf-8", "surrogatepass")
