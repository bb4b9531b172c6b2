"""The data set: arrays of one image by its index, and a whole set on disk.

Every image is a function of (RELEASE, split, number, index, classes, size): rooms have generators seeded by release,
split and room, images by their number in it. So sets of any number of images begin alike, and processes can
render them in any order.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import numpy as np

from bench.system.processes import hide_main_module
from suites._shared.dense.camera import NYUV2, Size
from suites._shared.dense.writer import SetWriter, pack_normals
from suites.scenes.release import RELEASE, VIEWS_PER_ROOM
from suites.scenes.render import render_view
from suites.scenes.scene import Scene, make_scene_of_room
from suites.scenes.views import View, choose_view

# Part of every seed: another number is another set of rooms.
SPLITS = {"train": 1, "test": 2}
SEALED = 3  # in the place of a split
STRIDE = 10  # between the numbers of a split in one set and in the next: clear of SEALED
EVERY = 2.0  # seconds between two reports

Arrays = dict[str, np.ndarray]
ImageRange = tuple[str, tuple[int, ...], Size, float, int]


def scene_and_view(index: int, split: str, classes: float, number: int = 0) -> tuple[Scene, View, np.random.Generator]:
    """The room of an image, the camera in it, and the generator of its sensor.

    index: of the image in its split, from 0; VIEWS_PER_ROOM images share a room.
    split: `train` or `test`; another is a ValueError.
    classes: the dial, in [0, 1] (see `looks`).
    number: of the set, from 0; no room is in two of them.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` should be one of {sorted(SPLITS)}. Found `{split}`.")
    if not 0 <= classes <= 1:
        raise ValueError(f"`classes` should lie in [0, 1]. Found `classes = {classes}`.")
    if index < 0:
        raise ValueError(f"`index` should not be negative. Found `index = {index}`.")
    room, view = divmod(index, VIEWS_PER_ROOM)
    code = SPLITS[split] + STRIDE * number
    scene = make_scene_of_room((RELEASE, code, room), float(classes))
    # Two generators: a change in how views are tried would otherwise move the noise of every picture. 100 keeps
    # clear of the streams of the room itself.
    pose, sensor = np.random.default_rng([RELEASE, code, room, 100 + view]).spawn(2)
    return scene, choose_view(scene, pose), sensor


def make_scene(index: int, split: str, size: Size, classes: float, number: int = 0) -> Arrays:
    """One image with its truth, as `suites._shared.dense.sets.FIELDS`; a function of the arguments alone.

    Labels and normals are exact and valid at every pixel; depth is exact where the sensor has it, else 0.

    Returns image (h, w, 3) uint8, label (h, w) int8, depth (h, w) float32 metres, normal (h, w, 3) int16.
    ValueError where `split`, `classes` or `index` is out of range.
    """
    scene, view, sensor = scene_and_view(index, split, classes, number)
    image, depth, clean = render_view(scene, view, size, sensor)
    return {"image": image, "label": clean.label, "depth": depth, "normal": pack_normals(clean.normal)}


def make_sealed(count: int, draw: int, size: Size, classes: float) -> Arrays:
    """`count` images (n, ...) of rooms that no set has: a function of `draw`, as `make_scene` otherwise.

    They test what was trained on a published set: nobody can have seen them before `draw` was drawn.
    """
    images = []
    for index in range(count):
        room, number = divmod(index, VIEWS_PER_ROOM)
        scene = make_scene_of_room((RELEASE, SEALED, draw, room), float(classes))
        pose, sensor = np.random.default_rng([RELEASE, SEALED, draw, room, 100 + number]).spawn(2)
        image, depth, clean = render_view(scene, choose_view(scene, pose), size, sensor)
        images.append({"image": image, "label": clean.label, "depth": depth, "normal": pack_normals(clean.normal)})
    return {field: np.stack([each[field] for each in images]) for field in images[0]}


def _render_rows(task: ImageRange) -> tuple[str, list[tuple[int, Arrays]]]:
    """Some images of one split; runs in a worker process, so it takes and gives what pickles."""
    split, rows, size, classes, number = task
    return split, [(row, make_scene(row, split, size, classes, number)) for row in rows]


def _group_by_room(missing: list[tuple[str, int]], size: Size, classes: float, number: int) -> list[ImageRange]:
    """The missing rows, those of one room together: its furniture and triangles are made once."""
    rooms = groupby(missing, key=lambda entry: (entry[0], entry[1] // VIEWS_PER_ROOM))
    return [(split, tuple(row for _, row in rows), size, classes, number) for (split, _), rows in rooms]


def _count_cores() -> int:
    """Cores that this process may use; not every system can tell them from those there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ignore_interrupts() -> None:
    """Workers leave Ctrl-C to their parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def write_set(
    folder: Path, size: Size, rows: Mapping[str, int], classes: float, jobs: int | None = None, number: int = 0
) -> Iterator[str]:
    """Render a set into `folder`, yielding sentences on the way; what an earlier call left is kept.

    folder: of the prepared set, which appears when it is whole.
    size: rows and columns of an image.
    rows: split -> number of images.
    classes: the dial, in [0, 1].
    jobs: processes; by default one per core that this process may use. 1 starts no process.
    number: of the set, as in `scene_and_view`.

    Raises DataMissing where the disk is too small, and where another process writes the same set.
    """
    header = {
        "source": "scenes",
        "release": RELEASE,
        "classes": float(classes),
        "normals": "exact",
        "camera": {**asdict(NYUV2.resize(size)), "size": list(size)},  # as JSON gives it back: a header is compared
    }
    if number:  # the first set was written before there were others
        header["split"] = number
    jobs = jobs or _count_cores()
    begin = last = time.perf_counter()
    with ExitStack() as stack:
        writer = stack.enter_context(SetWriter(folder, size, rows, header))
        missing = writer.missing_rows()
        tasks, done = _group_by_room(missing, size, classes, number), 0
        if len(missing) < sum(rows.values()):
            yield f"{sum(rows.values()) - len(missing)} of {sum(rows.values())} images are there already"
        if jobs == 1 or len(tasks) < 2:
            # One room, or one process asked for: starting workers would cost more than they save.
            results: Iterator[tuple[str, list[tuple[int, Arrays]]]] = map(_render_rows, tasks)
        else:
            # Spawned, not forked: torch's threads do not survive a fork.
            with hide_main_module():
                workers = multiprocessing.get_context("spawn").Pool(min(jobs, len(tasks)), _ignore_interrupts)
            pool = stack.enter_context(workers)
            results = pool.imap_unordered(_render_rows, tasks)
        first = begin, 0  # when the workers had started, and what was there then: their start says nothing of the rest
        for split, images in results:
            for row, arrays in images:
                writer.put(split, row, arrays)
            done, now = done + len(images), time.perf_counter()
            first = first if first[1] else (now, done)
            if now - last > EVERY and done > first[1]:
                last = now
                left = (now - first[0]) / (done - first[1]) * (len(missing) - done)
                yield f"{done} of {len(missing)} images, about {left:.0f} s left"
        writer.finish()
    yield f"{sum(rows.values())} images of {size[0]} x {size[1]} in `{folder}`, {time.perf_counter() - begin:.0f} s"
