"""Arrays in records, as text of half precision."""

import base64
import math

import numpy as np
from pydantic import BaseModel, ConfigDict


class Packed(BaseModel):
    """An array as little-endian float16 in base64, row-major: three significant digits in under three bytes a value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: list[int]
    float16: str

    @classmethod
    def pack(cls, array: np.ndarray) -> "Packed":
        """Pack any real array. Values are rounded to half precision; beyond 65504 they become infinite."""
        data = np.asarray(array, dtype="<f2")
        return cls(shape=list(data.shape), float16=base64.b64encode(data.tobytes()).decode("ascii"))

    def unpack(self) -> np.ndarray:
        """The array, as float32, in its own shape. Raises ValueError where bytes and shape disagree."""
        flat = np.frombuffer(base64.b64decode(self.float16, validate=True), dtype="<f2")
        if flat.size != math.prod(self.shape):
            raise ValueError(f"Packed bytes should hold {math.prod(self.shape)} values. Found {flat.size}.")
        return flat.reshape(self.shape).astype(np.float32)
