"""Pictures and maps as files: PNG, JPEG and NPY, read one at a time, and refused in a sentence."""

from pathlib import Path

import numpy as np
from PIL import Image

from bench.errors import UsageError, make_printable
from bench.system.regular import NotRegular, open_regular

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
SUFFIXES = (*IMAGE_SUFFIXES, ".npy")
MOST_PIXELS = 1 << 26  # of one picture
_PNG = b"\x89PNG\r\n\x1a\n"


def list_pictures(folder: Path) -> list[Path]:
    """All pictures below `folder`, sorted by their paths; hidden files and folders are left out."""
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def read_picture(path: Path) -> np.ndarray:
    """What a file holds: (rows, columns) of 8 or 16 bits, (rows, columns, 3) of 8 bits, or any array of an NPY file.

    Colours with an alpha channel lose it where it is 8 bits deep. Raises UsageError for a file that cannot be read, and
    for 16-bit colours, which would be cut to 8 bits.
    """
    shown = make_printable(str(path))
    try:
        if path.suffix.lower() == ".npy":
            open_regular(path).close()
            array: np.ndarray = np.load(path, allow_pickle=False)
            return array
        with open_regular(path) as stream:
            _refuse_deep_colours(stream.read(26), shown)
            stream.seek(0)
            with Image.open(stream, formats=("PNG", "JPEG")) as file:
                if file.width * file.height > MOST_PIXELS:
                    raise UsageError(f"`{shown}` should have {MOST_PIXELS} pixels at most. Found {file.size}.")
                if file.mode == "P":  # numbers of a palette: classes, as annotation tools write them
                    return np.asarray(file)
                wanted = file.mode if file.mode in ("1", "L", "I", "I;16", "RGB") else "RGB"
                wanted = "L" if file.mode in ("LA", "1") else wanted
                return np.asarray(file.convert(wanted) if wanted != file.mode else file)
    except NotRegular as error:
        raise UsageError(str(error)) from error
    except UsageError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        why = make_printable(str(error), 100).rstrip(".") or "it is damaged"
        raise UsageError(f"`{shown}` should be a picture that can be read. Found: {why}; mend or remove it.") from error


def _refuse_deep_colours(head: bytes, shown: str) -> None:
    """Raise UsageError for a PNG of 16-bit colours, or of 16 bits with an alpha channel: only 8 bits would be read."""
    if head[:8] == _PNG and len(head) == 26 and head[24] == 16 and head[25] in (2, 4, 6):
        what = {2: "colours", 4: "grey values with an alpha channel", 6: "colours with an alpha channel"}[head[25]]
        raise UsageError(
            f"`{shown}` should have 8 bits a channel, or 16 bits of grey without alpha. Found 16-bit {what}; convert "
            "it, as with `magick IN -alpha off -depth 8 OUT`, or store maps as .npy."
        )


def convert_to_image(values: np.ndarray, path: Path) -> np.ndarray:
    """A picture (rows, columns, 1 or 3) of bytes; 16-bit grey becomes 8 bits. Raises UsageError for other arrays."""
    if values.dtype in (np.uint16, np.int32) and values.ndim == 2:
        values = (values.astype(np.int64) // 257).clip(0, 255).astype(np.uint8)
    if values.dtype == np.uint8 and values.ndim == 2:
        values = values[:, :, None]
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] not in (1, 3):
        raise UsageError(
            f"`{make_printable(str(path))}` should hold an image of bytes, (rows, columns) or (rows, columns, 3). "
            f"Found {values.dtype} of shape {values.shape}."
        )
    return values


def read_resized_image(path: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """An image (rows, columns, channels) of bytes at a size; grey ones are repeated.

    Raises UsageError as `read_picture`, and for colours where there is one channel.
    """
    image = resize_picture(convert_to_image(read_picture(path), path), size, smooth=True)
    if image.shape[2] > channels:
        raise UsageError(
            f"`{make_printable(str(path))}` should be grey, as the images that were imported. Found {image.shape[2]} "
            "channels; convert it, as with `magick IN -colorspace gray OUT`."
        )
    return image if image.shape[2] == channels else image.repeat(channels, axis=2)


def resize_picture(values: np.ndarray, size: tuple[int, int], smooth: bool) -> np.ndarray:
    """(rows, columns, ...) at another size: bilinear where `smooth`, else the nearest pixel."""
    if values.shape[:2] == size:
        return values
    if not smooth:
        down, across = (
            ((2 * np.arange(new) + 1) * old) // (2 * new) for old, new in zip(values.shape, size, strict=False)
        )
        picked: np.ndarray = values[np.ix_(down, across)]
        return picked
    planes = values[:, :, None] if values.ndim == 2 else values
    scaled = [_scale_plane(planes[:, :, c], size) for c in range(planes.shape[2])]
    result = np.stack(scaled, axis=2).reshape(*size, *values.shape[2:])
    return np.rint(result).clip(0, 255).astype(np.uint8) if values.dtype == np.uint8 else result


def average_valid(values: np.ndarray, valid: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(numbers float32, where they are valid) of a map at another size: means over the valid pixels around each.

    values: (rows, columns) or (rows, columns, d). valid: bool (rows, columns).

    With the weights w of bilinear resizing, as images have, and m = 1 at valid pixels: sum(w m x) / sum(w m), and valid
    where sum(w m) is a half or more, so that what is missing neither leaks into its surroundings nor shrinks.
    """
    planes = np.where(valid[:, :, None], values.reshape(*valid.shape, -1), 0).astype(np.float32)
    share = _scale_plane(valid, size)
    kept = share >= 0.5
    means = [_scale_plane(planes[:, :, c], size) / np.where(kept, share, 1) for c in range(planes.shape[2])]
    return np.stack(means, axis=2).reshape(*size, *values.shape[2:]), kept


def _scale_plane(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One plane (rows, columns) at another size, bilinear; where it shrinks, over all pixels that a new one covers."""
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
