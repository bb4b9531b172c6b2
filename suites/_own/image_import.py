"""Writing imported images: the arrays, how they are trained, and the card."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import UsageError, count_nouns
from suites._own.description import OwnDescription
from suites._own.division import SPLITS
from suites._own.folders import write_own_set
from suites._own.image_card import write_image_card
from suites._own.image_options import ImageOptions
from suites._own.image_plan import ImagePlan
from suites._own.map_targets import write_map_target
from suites._own.pictures import read_resized_image
from suites._own.table_import import choose_protocol
from suites._own.table_suite import encode_target, measure_unit, write_unit


def import_images(
    plan: ImagePlan,
    name: str,
    source: str,
    options: ImageOptions,
    data_dir: Path | None,
    replace: bool,
) -> Path:
    """Write a plan as an own data set, whole or not at all; returns its folder.

    source: name of the folder that the images came from.

    Raises UsageError where a file cannot be read, a task is hidden as a whole, or the name is taken.
    """
    order = np.concatenate([plan.parts[split] for split in SPLITS])
    ends = np.cumsum([len(plan.parts[split]) for split in SPLITS]).tolist()
    bounds = {split: [end - len(plan.parts[split]), end] for split, end in zip(SPLITS, ends, strict=True)}
    known = plan.parts["train"]
    units: dict[str, dict[str, float]] = {}
    with write_own_set(data_dir, name, replace) as (folder, publish):
        mean, deviation = _write_images(folder / "images.npy", plan, order, len(known))
        for task in plan.tasks:
            if task.name in plan.labels:
                labels = plan.labels[task.name]
                unit = measure_unit(task, labels[known])
                np.save(folder / f"target_{task.name}.npy", encode_target(task, labels[order], unit))
                labelled = ~np.isnan(labels[order])
            else:
                labelled, unit = write_map_target(
                    folder / f"target_{task.name}.npy",
                    task,
                    [plan.maps[task.name][n] for n in order],
                    len(known),
                    options,
                )
            if unit:
                units[task.name] = write_unit(unit)
            for split, (start, stop) in bounds.items():
                if not labelled[start:stop].any():
                    raise UsageError(
                        f"Every split should have labels of `{task.title}`. Found none in "
                        f"{count_nouns(stop - start, 'image')} of `{split}`; add labels, or leave the task out."
                    )
            np.save(folder / f"labelled_{task.name}.npy", labelled)
        description = OwnDescription(
            name=name,
            kind="images",
            tasks=tuple(plan.tasks),
            rows={split: stop - start for split, (start, stop) in bounds.items()},
            input_shape=(plan.channels, *plan.size),
            backbone=choose_backbone(plan.size, bool(plan.maps)),
            protocol=choose_image_protocol(len(known), bool(plan.maps)) | {"split_rule": plan.rule},
            details={"bounds": bounds, "mean": mean, "deviation": deviation, "units": units},
            provenance={"folder": source, "imported": datetime.now(UTC).date().isoformat()},
        )
        card = write_image_card(description, plan.count_labelled, plan.warnings)
        (folder / "README.md").write_text(card, encoding="utf-8")
        return publish(description)


def choose_backbone(size: tuple[int, int], maps: bool) -> str:
    """The network of a set that names none: small ones, for CPUs; `--backbone` and the suite's option name others."""
    if maps:
        return "encoder"
    return "lenet" if max(size) <= 40 and min(size) >= 16 else "encoder" if min(size) >= 16 else "mlp:hidden=64/64"


def choose_image_protocol(train: int, maps: bool) -> dict[str, Any]:
    """As for tables, in batches of 32 images at most, of 8 with maps."""
    protocol = choose_protocol(train)
    batch = min(protocol["batch_size"], 8 if maps else 32)
    return protocol | {"batch_size": batch, "steps_per_epoch": min(300, max(10, train // batch)), "epochs": 30}


def _write_images(target: Path, plan: ImagePlan, order: np.ndarray, train: int) -> tuple[list[float], list[float]]:
    """Write all images in `order`; mean and deviation of each channel over the first `train` of them."""
    stored = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=(len(order), *plan.size, plan.channels))
    sums, squares = np.zeros(plan.channels), np.zeros(plan.channels)
    for row, index in enumerate(order):
        stored[row] = read_resized_image(plan.files[index], plan.size, plan.channels)
        if row < train:
            values = stored[row].reshape(-1, plan.channels).astype(np.float64)
            sums += values.mean(axis=0)
            squares += np.square(values).mean(axis=0)
    stored.flush()
    mean = sums / train
    deviation = np.sqrt(np.maximum(squares / train - mean**2, 0))
    return mean.tolist(), np.where(deviation > 0, deviation, 1.0).tolist()
