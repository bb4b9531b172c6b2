"""Damage as files meet it on their way, and as somebody makes it who knows the format: drawn from a generator."""

from collections.abc import Callable

import numpy as np

LARGE = (0xFF, 0x7F, 0x80, 0x00)  # bytes of lengths at the ends of their ranges


def flip(data: bytearray, generator: np.random.Generator) -> None:
    """A few bits."""
    for at in generator.integers(0, len(data), int(generator.integers(1, 9))):
        data[at] ^= 1 << int(generator.integers(8))


def cut(data: bytearray, generator: np.random.Generator) -> None:
    """The end is missing, or a piece of the middle."""
    at = int(generator.integers(0, len(data)))
    del data[at : None if generator.random() < 0.5 else at + int(generator.integers(1, 64))]


def grow(data: bytearray, generator: np.random.Generator) -> None:
    """Four bytes become a very large or a very small number, near the beginning more often."""
    at = int(len(data) * generator.random() ** 3) // 4 * 4
    first, rest = (LARGE[i] for i in generator.integers(0, len(LARGE), 2))
    data[at : at + 4] = bytes([first, rest, rest, rest])[:: 1 if generator.random() < 0.5 else -1]


def swap(data: bytearray, generator: np.random.Generator) -> None:
    """A byte of the beginning, where types are, becomes another small number."""
    at = int(generator.integers(0, min(len(data), 512)))
    data[at] = int(generator.integers(0, 32))


def move(data: bytearray, generator: np.random.Generator) -> None:
    """A piece comes twice, or in the place of another."""
    start, to = (int(at) for at in generator.integers(0, len(data), 2))
    piece = data[start : start + int(generator.integers(1, 64))]
    data[to : to if generator.random() < 0.5 else to + len(piece)] = piece


MUTATIONS: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (flip, cut, grow, swap, move)


def mutated(content: bytes, seed: int) -> bytes:
    """`content` with one to three mutations, the same for the same seed; never empty before the last."""
    generator = np.random.default_rng(seed)
    data = bytearray(content)
    for _ in range(int(generator.integers(1, 4))):
        if data:
            MUTATIONS[int(generator.integers(len(MUTATIONS)))](data, generator)
    return bytes(data)
