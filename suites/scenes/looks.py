"""Materials of a room, and the dial: is a thing told by its shape or by its texture?

Every movable thing has a generator of its own, which draws first u in [0, 1) and a label, whatever the dial is.
Where u < `classes` the thing is *texture-told*: it takes the drawn label, which knows nothing of its shape, and
materials of that label's family. Otherwise it is *shape-told*: its label is the class of its model, its
materials come from one pool for all classes. The families share no pattern with the pool. Shapes, places and
views do not depend on the dial at all.

Since u does not depend on the dial, what is texture-told at one value is so at every larger one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from suites.scenes.classes import IDS
from suites.scenes.parts import Thing

# How often a texture-told thing gets a label.
# No class is rare: a metric over all of them would be noise.
LABELS = {
    "bed": 0.12,
    "books": 0.1,
    "chair": 0.13,
    "furniture": 0.2,
    "objects": 0.15,
    "sofa": 0.11,
    "table": 0.11,
    "tv": 0.08,
}
FAMILIES = {  # pattern and hue of each movable class
    "bed": ("stripes", 0.60),
    "books": ("bars", 0.98),
    "chair": ("checks", 0.16),
    "furniture": ("rings", 0.07),
    "objects": ("dots", 0.86),
    "sofa": ("zigzag", 0.48),
    "table": ("bricks", 0.33),
    "tv": ("grid", 0.73),
}
POOL = {"plain": 0.45, "wood": 0.22, "mottle": 0.13, "weave": 0.14, "marble": 0.06}
# Half of the materials of movable things are matt.
GLOSS = (0.0, 0.0, 0.15, 0.4)


@dataclass(frozen=True)
class Look:
    """A material: three linear RGB colours mixed by a pattern of size `scale` metres.

    pattern: its name in `textures.CODES`.
    colours: (3, 3) linear RGB, one a row: ground, second and third colour of the pattern.
    scale: metres to the unit of the pattern's coordinates.
    shift: (3,) moves the pattern (u, v) and its noise, in units of `scale`.
    turn: lets u run upwards.
    glow: light of its own, as a share of its colour.
    gloss: strength of highlights.
    band: a strip of the third colour up to that height in metres (the skirting).
    """

    pattern: str
    colours: np.ndarray
    scale: float
    shift: np.ndarray
    turn: bool = False
    glow: float = 0.0
    gloss: float = 0.0
    band: float = 0.0


def rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """HSV, each in [0, 1] (hue 1 is a full circle), to linear RGB (3,): sRGB's curve taken as a power of 2.2."""
    shares = (min(max(abs((hue * 6 + k) % 6 - 3) - 1, 0.0), 1.0) for k in (0, 4, 2))
    return np.array([(value * (1 - saturation + saturation * share)) ** 2.2 for share in shares])


def pick(names: Mapping[str, float], generator: Generator) -> str:
    """One of the names; the values are their chances and sum to 1. Draws one number."""
    at = generator.random()
    for name, share in names.items():
        at -= share
        if at < 0:
            return name
    return name


def look(pattern: str, colours: Sequence[np.ndarray], scale: float, generator: Generator, **more: float | bool) -> Look:
    """A material whose pattern starts anywhere: `more` are further fields of `Look`."""
    return Look(pattern, np.stack(colours), scale, generator.uniform(0, 32, 3), **more)  # type: ignore[arg-type]


def pool_look(generator: Generator) -> Look:
    """A material of the pool: woods, whites, greys, blacks and colours, mostly quiet.

    It is drawn without a look at the class: a shape-told thing gives nothing away by its colour.
    """
    pattern = pick(POOL, generator)
    kind = generator.random()
    if pattern == "wood" or kind < 0.2:
        hue, saturation, value = generator.uniform(0.04, 0.1), generator.uniform(0.3, 0.7), generator.uniform(0.2, 0.8)
    elif kind < 0.6:
        hue, saturation, value = generator.random(), generator.uniform(0.0, 0.15), generator.uniform(0.08, 0.95)
    else:
        hue, saturation, value = generator.random(), generator.uniform(0.2, 0.8), generator.uniform(0.2, 0.85)
    other = value * generator.uniform(0.55, 0.85)
    colours = [rgb(hue, saturation, value), rgb(hue, saturation, other), rgb(hue, saturation * 0.5, other * 0.6)]
    scale = {"wood": 0.09, "weave": 0.05, "marble": 0.25}.get(pattern, 0.15) * generator.uniform(0.7, 1.5)
    gloss = GLOSS[generator.integers(len(GLOSS))]
    return look(pattern, colours, scale, generator, turn=bool(generator.random() < 0.5), gloss=gloss)


def family_look(label: str, size: float, generator: Generator) -> Look:
    """A material of a class: its pattern and about its hue.

    label: the class, a key of FAMILIES.
    size: the thing's largest extent in metres; the pattern repeats every sixth to every third of it,
        between 7 and 40 cm, so that small and large things show several periods.
    """
    pattern, centre = FAMILIES[label]
    hue = centre + generator.normal(0, 0.025)
    first = rgb(hue, generator.uniform(0.45, 0.9), generator.uniform(0.45, 0.85))
    light = generator.random() < 0.5
    second = rgb(
        hue, generator.uniform(0.1, 0.35), generator.uniform(0.8, 1.0) if light else generator.uniform(0.08, 0.2)
    )
    third = rgb(hue + 0.06, generator.uniform(0.3, 0.6), generator.uniform(0.7, 1.0))
    scale = float(np.clip(size * generator.uniform(0.16, 0.3), 0.07, 0.4))
    return look(pattern, [first, second, third], scale, generator, gloss=GLOSS[generator.integers(len(GLOSS))])


def dress_thing(thing: Thing, classes: float, generator: Generator) -> tuple[int, list[Look]]:
    """Label and one material per slot of a movable thing, by the dial.

    thing: only its model is looked at.
    classes: the dial, in [0, 1].
    generator: of this thing alone; draws u, then a label, then the materials.

    Returns the label, 0..12, and the looks in the order of `thing.model.slots`.
    """
    told_by_texture = generator.random() < classes
    drawn = pick(LABELS, generator)
    low, high = thing.model.bounds
    if told_by_texture:
        return IDS[drawn], [family_look(drawn, float((high - low).max()), generator) for _ in thing.model.slots]
    return IDS[thing.model.kind], [pool_look(generator) for _ in thing.model.slots]
