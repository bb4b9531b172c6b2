"""A panel of one image: input, and truth above prediction for every task; invalid pixels hatched.

Panels are for eyes only: no score is computed from them.
"""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from bench.api import Sheet
from suites._shared.dense.augment import MEAN, STD
from suites._shared.dense.classes import CLASSES

# One colour per class, told apart without telling red from green.
PALETTE = np.array(
    [
        (136, 34, 85),  # bed
        (204, 102, 119),  # books
        (221, 221, 221),  # ceiling
        (221, 170, 51),  # chair
        (140, 98, 57),  # floor
        (17, 119, 51),  # furniture
        (238, 136, 102),  # objects
        (68, 170, 153),  # picture
        (51, 34, 136),  # sofa
        (153, 153, 51),  # table
        (20, 20, 20),  # tv
        (170, 187, 204),  # wall
        (136, 204, 238),  # window
    ],
    dtype=np.uint8,
)
assert len(PALETTE) == len(CLASSES)
# Eight anchors of a perceptually even map from dark blue to yellow.
_RAMP = np.array(
    [
        (68, 1, 84),
        (70, 50, 127),
        (54, 92, 141),
        (39, 127, 142),
        (31, 161, 135),
        (74, 194, 109),
        (159, 218, 58),
        (253, 231, 37),
    ],
    dtype=float,
)
FAR = 6.0  # metres at the end of the ramp
PanelColumn = tuple[str, np.ndarray, np.ndarray | None]  # name, truth above, prediction below
LEAST_WIDTH = 288  # pixels across at least: small images are shown enlarged


def panel(image: Tensor, targets: Mapping[str, Tensor], predictions: Mapping[str, Tensor]) -> np.ndarray:
    """One image's panel, uint8 (rows, columns, 3).

    image: (3, h, w), normalised as `augment.Decode` does.
    targets: task -> truth of this image, as decoded.
    predictions: task -> output of its head for this image.
    """
    pixels = image.float().cpu().numpy().transpose(1, 2, 0) * STD + MEAN
    photo = _to_bytes(pixels)
    factor = max(1, -(-LEAST_WIDTH // photo.shape[1]))
    columns: list[PanelColumn] = [("input", _enlarge(photo, factor), None)]
    for task, target in targets.items():
        truth, valid = _colour(task, target)
        guess, _ = _colour(task, predictions[task])
        columns.append((task, _enlarge(_hatch(truth, valid), factor), _enlarge(guess, factor)))
    return _lay_out(columns)


def _colour(task: str, values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Colours (h, w, 3) uint8 and validity (h, w) of a target or a prediction.

    Segmentation by PALETTE, depth along a ramp up to FAR metres, normals as (n + 1) / 2 in red, green,
    blue.
    """
    array: np.ndarray = values.float().cpu().numpy()
    if task == "segmentation":
        label: np.ndarray = (array.argmax(axis=0) if array.ndim == 3 else array).astype(int)
        return PALETTE[np.clip(label, 0, None)], label >= 0
    if task == "depth":
        metres = array[0]
        place = np.clip(metres / FAR, 0, 1) * (len(_RAMP) - 1)
        low = np.clip(place.astype(int), 0, len(_RAMP) - 2)
        share = (place - low)[..., None]
        return (_RAMP[low] * (1 - share) + _RAMP[low + 1] * share).astype(np.uint8), metres > 0
    length = np.linalg.norm(array, axis=0)
    unit = array / np.maximum(length, 1e-9)
    unit[2] *= -1  # looking at the camera is light
    return _to_bytes((unit.transpose(1, 2, 0) + 1) / 2), length > 0


def _to_bytes(values: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return rounded


def _hatch(picture: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Diagonal stripes where there is no truth."""
    rows, columns = np.indices(valid.shape)
    stripes = np.where((rows + columns) % 6 < 3, np.uint8(250), np.uint8(190))[..., None]
    return np.where(valid[..., None], picture, stripes)


def _enlarge(picture: np.ndarray, factor: int) -> np.ndarray:
    """Every pixel repeated: what is small stays sharp."""
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _lay_out(columns: list[PanelColumn]) -> np.ndarray:
    """Truth above prediction, a column for each task; the names of the classes below the input."""
    from PIL import Image, ImageDraw, ImageFont

    high, wide = columns[0][1].shape[:2]
    layout = Sheet(tuple(name for name, _, _ in columns[1:]), wide, high)
    sheet = Image.new("RGB", layout.size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=18)
    for number, (name, truth, guess) in enumerate(columns):
        for row, (picture, what) in enumerate(((truth, "truth"), (guess, "prediction"))):
            if picture is None:
                continue
            x, y = layout.place(number, row)
            draw.text((x, y - 25), name if number == 0 else f"{name}: {what}", fill="black", font=font)
            sheet.paste(Image.fromarray(picture), (x, y))
    line, (left, top) = high // 7, layout.place(0, 1)
    for number, (name, colour) in enumerate(zip(CLASSES, PALETTE.tolist(), strict=True)):
        x, y = left + number // 7 * wide // 2, top + number % 7 * line
        draw.rectangle((x, y, x + line, y + line - 8), fill=tuple(colour))
        draw.text((x + line + 8, y + (line - 8) / 2), name, fill="black", font=font, anchor="lm")
    return np.asarray(sheet)
