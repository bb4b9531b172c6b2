"""Damage to a text that people and Python or TOML read: what hides, steers, nests, or is far too long."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.fuzz.mutations import mutated
from tests.fuzz.trees import TEXTS, draw, mutated_tree

Generator = np.random.Generator

HIDING = (
    *("\x00", "\x07", "\x0c", "\x1b[2J", "\r", "\x85", "\u00a0", "\u00ad", "\u034f", "\u200b", "\u200d", "\u202e"),
    *("\u2028", "\u2066", "\u3164", "\ufe0f", "\ufeff", "\uffa0", "\U000e0041", "ｅxec", "ｆ", "ſ", "µ", "ª", "ñ", "е"),
    *("# coding: utf-7\n", "# -*- coding: latin-1 -*-\n", "#coding=utf-8\n", "# vim: set fileencoding=cp1252 :\n"),
)
PYTHON = (
    *(
        "(" * 300,
        ")" * 300,
        "[" * 5000,
        "-" * 3000 + "1",
        "not " * 3000 + "x",
        "x" + ".a" * 5000,
        "f(" * 90,
        "x" * 60_000,
    ),
    *(
        "\n\n",
        "\t",
        "\\",
        "\\\n",
        '"""',
        "'''",
        "'",
        '"',
        "#",
        "@register('a')\n",
        "@register(name='b', paper=1e999)\n",
    ),
    *("class A(A): pass\n", "class A(B): pass\nclass B(A): pass\n", "import os\n", "from . import x\n", "eval('1')\n"),
    *("x = 1e999j\n", "x = " + "9" * 5000 + "\n", "x = 0x" + "f" * 9000 + "\n", 'f"{x!r:{y}}"\n', "f'{ｅval}'\n"),
    *(
        "@register('\\ud800')\n",
        "@register('mine', version=10**9)\n",
        "@register('mine', version=True)\n",
        "lambda: " * 90,
    ),
    *("def f():\n" * 101, " " * 200 + "x\n", "if x:\n" + "\tx\n        y\n", "match x:\n case {**y}: z\n", "é = 1\n"),
    *("b'\\xff'\n", "'\\N{BULLET}'\n", "rf'{1}'\n", "type X = int\n", "x: 'int' = (y := 1)\n", "\x1a", "$", "?", "`x`"),
    *("class C:\n def __init__(self, *, a=1.0, b=(1, 2), c=C): pass\n", "import numpy as np\nnp.load('x')\n", "...\n"),
)
TOML = (
    *(
        "nan",
        "-inf",
        "1979-05-27",
        "1979-05-27T07:32:00-99:00",
        "07:32:00",
        "0x1F",
        "1_000",
        "'''a\nb'''",
        '"""a\\\n b"""',
    ),
    *(
        "{a = 1}",
        "{a.b = 1, a.c = 2}",
        "[1, 'a']",
        "[" * 3000 + "]" * 3000,
        "9" * 5000,
        "'\\u0000'",
        '"\\u202e"',
        "true",
    ),
    *(
        '"\\ud800"',
        '"\\U00110000"',
        "1e999",
        "[[]]",
        "+1",
        "''",
        '"\\n"',
        "[1,]",
        "{}",
        "0b2",
        "1.",
        "'" + "x" * 15_000 + "'",
    ),
)
LINES = (
    "[a]",
    "[[methods]]",
    "[name]",
    "name.x = 1",
    "a." * 4000 + "b = 1",
    "= 1",
    "\x00",
    "name = 'b'",
    "[" * 500,
    "\ufeff",
)


def spoiled(source: str, seed: int, pieces: tuple[str, ...] = (*HIDING, *PYTHON)) -> bytes:
    """A text with one to three pieces put in, or pieces of its own moved, or its bytes mutated."""
    generator = np.random.default_rng(seed)
    if generator.random() < 0.25:
        return mutated(source.encode(), seed)
    for _ in range(int(generator.integers(1, 4))):
        lines = source.split("\n")
        if generator.random() < 0.5:
            place = int(generator.integers(len(source) + 1))
            source = source[:place] + draw(pieces, generator) + source[place:]
        elif generator.random() < 0.7:
            lines.insert(int(generator.integers(len(lines) + 1)), draw((*pieces, *lines), generator))
            source = "\n".join(lines)
        else:
            del lines[int(generator.integers(len(lines)))]
            source = "\n".join(lines)
    return source.encode("utf-8", "surrogatepass")


def manifest(content: Mapping[str, Any], seed: int) -> bytes:
    """A manifest with mutated values, or with values, lines and bytes that TOML may not have."""
    generator = np.random.default_rng(seed)
    lines = [f"{key} = {_toml(value)}" for key, value in content.items() if value != ""]
    how = generator.random()
    if how < 0.4:
        tree = mutated_tree(dict(content), seed)
        lines = [f"{_key(key)} = {_toml(value)}" for key, value in tree.items()]
    elif how < 0.7:
        at = int(generator.integers(len(lines)))
        lines[at] = f"{lines[at].partition(' =')[0]} = {draw((*TOML, *map(json.dumps, TEXTS)), generator)}"
    else:
        return spoiled("\n".join(lines) + "\n", seed, (*HIDING, *LINES, *TOML))
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def _key(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else json.dumps(key)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    try:
        return json.dumps(value, ensure_ascii=False)
    except ValueError:  # a number too long to print
        return "9" * 5000
