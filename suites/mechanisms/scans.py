"""Two small simulators of one line of an image: a road to steer on, and a door with its knob."""

from abc import abstractmethod
from typing import Annotated, ClassVar

import numpy as np

from bench.api import Interval
from suites.mechanisms.mechanism import Deviation, Mechanism, Stream, Training

PIXELS = 32  # of a road's line
STRIPES = 30  # of a door's, in green and in blue
ROAD_TASKS, DOOR_TASKS = 9, 10


class Scan(Mechanism):
    """Tasks that read one line of an image; pixels have noise in every split, labels have none.

    The tasks of a kind are taken in its order, the first `tasks` of them.
    """

    train: Training = 100
    noise: Deviation = 0.1

    @abstractmethod
    def scan(self, generator: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """A line without noise (n, d), and every task of the kind (n, T), each between 0 and 1."""

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        generator = self.make_generator(seed, *stream)
        line, labels = self.scan(generator, rows)
        line = line + self.noise * generator.standard_normal(line.shape)
        return line.astype(np.float32).astype(np.float64), labels[:, : len(self.targets)]


class Alvinn(Scan, title="alvinn"):
    """A line of 32 pixels across a road; t1 is where to steer: the middle of the right lane.

    A road of width 0.3 to 0.7 of the line lies around a middle; it has one lane, or two with a line between them; road,
    shoulder and line have greys of their own. t1: steering. t2: one lane or two (0 or 1). t3: middle of the road. t4,
    t5: left and right edge. t6: width of the road. t7 to t9: greys of road, shoulder and line, the last 0 where there
    is none. After 1D-ALVINN, Caruana 1997, section 2; the simulator is ours.
    """

    formula: ClassVar[str] = "road of one or two lanes, 32 pixels"
    hidden: ClassVar[tuple[int, ...]] = (16,)

    tasks: Annotated[int, Interval(ge=2, le=ROAD_TASKS)] = ROAD_TASKS

    @property
    def inputs(self) -> int:
        return PIXELS

    def scan(self, generator: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
        width, place = generator.uniform(0.3, 0.7, rows), generator.uniform(0.25, 0.75, rows)
        left, right = place - width / 2, place + width / 2
        two = generator.random(rows) < 0.5
        road, shoulder, line = generator.uniform((0.2, 0.5, 0.7), (0.5, 0.9, 1.0), (rows, 3)).T
        steering = np.where(two, place + width / 4, place)
        at = (np.arange(PIXELS) + 0.5) / PIXELS
        pixels = np.where((at > left[:, None]) & (at < right[:, None]), road[:, None], shoulder[:, None])
        on_line = two[:, None] & (np.abs(at - place[:, None]) < 1 / PIXELS)
        pixels = np.where(on_line, line[:, None], pixels)
        return pixels, np.stack([steering, two, place, left, right, width, road, shoulder, line * two], axis=1)


class Doors(Scan, title="doors"):
    """A line of 30 stripes in green and in blue across a door; t1 is where its knob is.

    A door is single, with a knob near its left or right jamb, or double, with knobs beside its middle, of which the
    right one counts. t1: place of the knob. t2: single or double (0 or 1). t3, t4: left and right jamb. t5: middle of
    the doorway. t6: its width. t7, t8: middle and width of the leaf with that knob. t9, t10: green of door and wall.
    After 1D-DOORS, Caruana 1997, section 2; the simulator is ours.
    """

    formula: ClassVar[str] = "single or double door, 30 stripes of two colours"

    tasks: Annotated[int, Interval(ge=2, le=DOOR_TASKS)] = DOOR_TASKS

    @property
    def inputs(self) -> int:
        return 2 * STRIPES

    def scan(self, generator: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
        width, middle = generator.uniform(0.4, 0.8, rows), generator.uniform(0.4, 0.6, rows)
        left, right = middle - width / 2, middle + width / 2
        double, hinged_left = generator.random((2, rows)) < 0.5
        gap = generator.uniform(0.05, 0.12, rows)
        knob = np.where(double, middle + gap, np.where(hinged_left, right - gap, left + gap))
        leaf = np.where(double, width / 2, width)
        wall, door, brass = generator.uniform((0.0, 0.3, 0.7), (0.5, 0.7, 1.0), (rows, 3)).T
        at = (np.arange(STRIPES) + 0.5) / STRIPES
        inside = (at > left[:, None]) & (at < right[:, None])
        jamb = np.minimum(np.abs(at - left[:, None]), np.abs(at - right[:, None])) < 1 / STRIPES
        knobs = np.abs(at - knob[:, None]) < 1 / STRIPES
        knobs |= double[:, None] & (np.abs(at - (middle - gap)[:, None]) < 1 / STRIPES)
        green = np.where(inside, door[:, None], wall[:, None]) * np.where(jamb, 0.5, 1.0)
        blue = np.where(knobs, brass[:, None], 0.5 * green)
        tasks = [knob, double, left, right, middle, width, right - leaf / 2, leaf, door, wall]
        return np.hstack([green, blue]), np.stack(tasks, axis=1)
