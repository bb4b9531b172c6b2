"""The official split, and the validation part carved from its training half.

The official split (`splits.mat`) keeps the images of a scene on one side, and the images of a scene follow
each other in the file. So a maximal run of consecutive training images, bounded by test images, is made of
whole scenes: validation takes whole runs and shares no scene with what is left for training.
"""

from functools import cache

import numpy as np

from bench.api import DataMissing
from bench.errors import count_nouns, make_printable

IMAGES = 1449
SEED = 2012_0
# A little less than an eighth of 795.
LEAST_VALIDATION = 95

# first+length of every run of training images, 0-based rows of `nyu_depth_v2_labeled.mat`; the others are test
_RUNS = """
2+6 9+4 18+2 21+6 43+2 47+8 57+1 63+12 79+4 91+25 119+5 129+1 134+2 137+15 155+11 169+1 176+3 202+4 212+7
222+27 250+13 264+6 273+5 285+10 302+7 312+2 317+7 335+15 352+2 364+19 390+4 397+13 414+15 435+5 448+13
466+2 477+30 513+1 526+4 533+3 539+9 551+3 571+7 583+7 594+8 607+4 613+3 621+11 638+5 645+4 651+4 658+4
664+3 673+2 681+4 690+2 694+2 699+6 713+3 718+5 728+2 734+8 744+14 787+12 804+5 814+6 823+9 846+3 852+4
862+6 871+34 908+8 919+6 928+3 935+9 947+11 962+2 967+2 977+13 995+5 1004+5 1012+8 1023+8 1034+3 1039+8
1049+2 1053+3 1058+16 1084+3 1096+1 1104+1 1109+7 1119+3 1131+3 1136+7 1158+3 1167+2 1171+2 1176+2 1184+7
1196+4 1212+3 1220+5 1230+2 1235+11 1250+3 1265+9 1280+4 1295+1 1299+2 1308+5 1315+13 1332+2 1340+6 1349+3
1356+7 1365+2 1369+14 1391+2 1401+5 1414+6 1424+5 1433+7
"""


@cache
def training_runs() -> tuple[tuple[int, int], ...]:
    """(first image, images) of every maximal run of consecutive training images, ascending."""
    return tuple((int(first), int(length)) for first, _, length in (run.partition("+") for run in _RUNS.split()))


@cache
def official_images(split: str) -> np.ndarray:
    """0-based images of the file that make up `train` (795) or `test` (654), ascending, int64, read-only."""
    train = np.zeros(IMAGES, dtype=bool)
    for first, length in training_runs():
        train[first : first + length] = True
    images = np.flatnonzero(train if split == "train" else ~train)
    # The array is cached: who changed it would change every split after.
    images.flags.writeable = False
    return images


def validation_rows(count: int = 795) -> np.ndarray:
    """Positions in the training order that are held out, ascending: 0..794, or those below `count` of a partial copy.

    Runs are taken in the order of a permutation from a published seed until there are 95 rows or more. A partial
    copy that has none of them gives its last run instead, unless that is all it has: enough for trials.
    """
    runs = training_runs()
    starts = np.cumsum([0] + [length for _, length in runs])
    rows: list[int] = []
    for run in np.random.Generator(np.random.PCG64(SEED)).permutation(len(runs)):
        if len(rows) >= LEAST_VALIDATION:
            break
        rows.extend(range(starts[run], starts[run + 1]))
    held = sorted(row for row in rows if row < count)
    if not held:
        last = max((int(start) for start in starts if start < count), default=0)
        held = list(range(last, count)) if last else []
    return np.array(held, dtype=np.int64)


def check_scenes(train: list[str], test: list[str]) -> str:
    """What is said of the names of the scenes.

    train, test: the scene of every image of a split, in order; `train` is divided by `validation_rows`.

    Raises DataMissing where a scene is on two sides: a network would be tested on rooms that it has seen.
    """
    held = validation_rows(len(train))
    sides = {
        "validation": {train[row] for row in held},
        "training": {name for row, name in enumerate(train) if row not in set(held.tolist())},
        "test": set(test),
    }
    for first, second in (("validation", "training"), ("validation", "test"), ("training", "test")):
        if shared := sorted(sides[first] & sides[second]):
            others = len(shared) - 1
            more = f", as {'is' if others == 1 else 'are'} {count_nouns(others, 'other')}" if others else ""
            raise DataMissing(
                f"The scene `{make_printable(shared[0], 100)}` should be on one side of the split. "
                f"It is in {first} and in {second}{more}."
            )
    return "scenes: " + ", ".join(f"{len(names)} in {side}" for side, names in sides.items()) + "; none on two sides"
