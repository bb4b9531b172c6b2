"""Procedural patterns: how much of a material's second and third colour is at a point.

A pattern gets `uv` (n, 2) float32, coordinates on the face in units of the material's scale, and `noise` (n,),
smooth noise in 0..1 at that place; it returns the shares (n,) of the second and of the third colour, each in
0..1. It is a function of these alone: nothing is drawn while a room is shaded.

The first ten are of the pool and of fixed things, the last eight each of one class (`looks.FAMILIES`).
"""

from collections.abc import Callable
from functools import cache

import numpy as np

Shares = tuple[np.ndarray, np.ndarray]
CELLS = 256  # the noise repeats after so many cells


@cache
def _lattice() -> np.ndarray:
    """(CELLS^2,) float32 in 0..1: the values at the corners of the noise's cells, the same for every room."""
    return np.random.Generator(np.random.PCG64(1932)).random(CELLS * CELLS, dtype=np.float32)


def value_noise(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Smooth noise in 0..1 with cells of 1: (n,), (n,) -> (n,) float32.

    The four corners of a cell mixed bilinearly; it repeats after CELLS cells.
    """
    low_u, low_v = np.floor(u), np.floor(v)
    right, up = (u - low_u).astype(np.float32), (v - low_v).astype(np.float32)
    i, j, table = low_u.astype(np.int32), low_v.astype(np.int32), _lattice()
    row, above = (j & CELLS - 1) * CELLS, (j + 1 & CELLS - 1) * CELLS  # CELLS is a power of two
    here, there = i & CELLS - 1, i + 1 & CELLS - 1
    bottom, top = table[row + here], table[above + here]
    bottom += right * (table[row + there] - bottom)
    top += right * (table[above + there] - top)
    mixed: np.ndarray = bottom + up * (top - bottom)
    return mixed


def hash_cells(*cells: np.ndarray) -> np.ndarray:
    """A fixed value in 0..1 for every cell of a grid, from whole numbers (n,), as many arrays as it has axes.

    A multiplicative hash (Knuth's constant), so that tiles have tones of their own without a table.
    """
    mixed = np.zeros(cells[0].shape, dtype=np.uint32)
    for cell in cells:
        mixed = (mixed ^ cell.astype(np.int64).astype(np.uint32)) * np.uint32(2654435761)
        mixed ^= mixed >> np.uint32(15)
    return (mixed & np.uint32(0xFFFF)).astype(np.float32) / 65535


def _second_only(share: np.ndarray) -> Shares:
    """Shares of a pattern of two colours."""
    return share, np.zeros_like(share)


def plain(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """One colour, a little uneven: up to 15 % of the second."""
    return _second_only(0.15 * noise)


def mottle(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Soft blotches of the second colour."""
    return _second_only(np.clip(1.6 * noise - 0.3, 0, 1))


def wood(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Grain along u: wavering lines across v."""
    return _second_only(0.35 * noise + 0.3 + 0.3 * np.sin(2 * np.pi * (uv[:, 1] + 1.6 * noise)))


def weave(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Cloth: two crossing threads, a period to the unit."""
    return _second_only(0.5 + 0.3 * np.sin(2 * np.pi * uv[:, 0]) * np.sin(2 * np.pi * uv[:, 1]) + 0.5 * (noise - 0.5))


def marble(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Thin veins, where the noise passes 1/2."""
    return _second_only(1 - np.sqrt(np.abs(2 * noise - 1)))


def wallpaper(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Soft stripes across u, one to the unit."""
    return _second_only(np.clip(0.5 + np.sin(2 * np.pi * uv[:, 0]), 0, 1) * 0.7)


def planks(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Boards along u, one unit wide and six long, each with its own tone, dark between them."""
    row = np.floor(uv[:, 1])
    along = uv[:, 0] / 6 + hash_cells(row)
    seam = (uv[:, 1] - row < 0.06) | (along % 1 < 0.01)
    return 0.7 * hash_cells(row, np.floor(along)) + 0.3 * noise, seam * 0.7


def tiles(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Square tiles of one unit, each with its own tone, with joints."""
    cell = np.floor(uv)
    seam = ((uv - cell) < 0.06).any(axis=1)
    return 0.4 * hash_cells(cell[:, 0], cell[:, 1]) + 0.3 * noise, seam * 0.9


def painting(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """A picture of nothing: fields of three colours with sharp borders."""
    hills = uv[:, 1] + 2.2 * (noise - 0.5)
    return (hills > 0.15).astype(float), ((noise > 0.58) & (hills < 0.6)).astype(float)


def landscape(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """What is before a window: sky, lighter upwards, over something green or grey."""
    land = uv[:, 1] + 0.8 * (noise - 0.5)
    return np.clip(0.4 + 0.3 * uv[:, 1], 0, 1), np.clip(6 * (0.1 - land), 0, 1)


def stripes(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Broad stripes of two colours across u + v: beds."""
    return _second_only((((uv[:, 0] + uv[:, 1]) * 0.8) % 1 < 0.5).astype(float))


def bars(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Upright bars, 2.5 to the unit, in three colours: books."""
    tone = hash_cells(np.floor(uv[:, 0] * 2.5))
    return (tone > 0.4).astype(float), (tone > 0.7).astype(float)


def checks(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """A chessboard of 1.4 squares to the unit: chairs."""
    return _second_only(((np.floor(uv[:, 0] * 1.4) + np.floor(uv[:, 1] * 1.4)) % 2).astype(float))


def rings(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Contour lines of hills, five levels of the noise: furniture."""
    return _second_only(((5 * noise + 0.3 * uv[:, 0]) % 1 < 0.5).astype(float))


def dots(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Spots in rows, every second row shifted: objects."""
    row = np.floor(uv[:, 1] * 1.4)
    x, y = (uv[:, 0] * 1.4 + 0.5 * (row % 2)) % 1 - 0.5, uv[:, 1] * 1.4 - row - 0.5
    return _second_only((x * x + y * y < 0.11).astype(float))


def zigzag(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Chevrons: sofas."""
    return _second_only(((uv[:, 1] * 1.3 + np.abs(uv[:, 0] % 1 - 0.5) * 1.3) % 1 < 0.5).astype(float))


def bricks(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Courses of bricks with light joints, each with its own tone: tables."""
    row = np.floor(uv[:, 1] * 2.4)
    x, y = uv[:, 0] * 1.2 + 0.5 * (row % 2), uv[:, 1] * 2.4 - row
    return 0.5 * hash_cells(row, np.floor(x)), ((x % 1 < 0.12) | (y < 0.2)).astype(float)


def grid(uv: np.ndarray, noise: np.ndarray) -> Shares:
    """Thin bright lines both ways: televisions."""
    return _second_only(((uv * 1.6) % 1 < 0.22).any(axis=1).astype(float))


# Their order is their code: another order would be another material, and other bytes.
PATTERNS: tuple[Callable[[np.ndarray, np.ndarray], Shares], ...] = (
    *(plain, mottle, wood, weave, marble),
    *(wallpaper, planks, tiles, painting, landscape),
    *(stripes, bars, checks, rings, dots, zigzag, bricks, grid),
)
CODES = {pattern.__name__: code for code, pattern in enumerate(PATTERNS)}
