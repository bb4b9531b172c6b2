"""Columns of a table as numbers for a network: encoders that see the training rows only.

A numeric column becomes (x - mean) / deviation, with the mean where it is missing, and one more column that is 1 there.
A column of categories becomes one column for each of its most frequent levels in the training rows, one for all others,
unseen ones among them, and one for missing. How many columns there are is decided once for the whole table, so that
every division of its rows has inputs of one shape.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

MOST_LEVELS = 32  # of a category with columns of their own; the first layer is their embedding


class Feature(BaseModel):
    """One feature of a table.

    name: as in the file.
    kind: `number`, `date` (days since 1970-01-01, a number from there on), or `category`.
    levels: of a category, all texts that occur, sorted; stored codes count in this order, -1 is missing.
    missing: whether some row lacks it, so that it has a column that says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["number", "date", "category"]
    levels: tuple[str, ...] = ()
    missing: bool = False

    @property
    def kept(self) -> int:
        """How many levels have a column of their own, at most."""
        return min(len(self.levels), MOST_LEVELS)

    @property
    def width(self) -> int:
        """Columns of inputs that it becomes."""
        if self.kind != "category":
            return 1 + self.missing
        return self.kept + 1 + self.missing


class Encoder(BaseModel):
    """Numbers that turn stored rows into inputs, found in training rows.

    features: of the table, in their order.
    mean, deviation: of each numeric column, in their order.
    kept: codes with a column of their own, of each category, the most frequent first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[Feature, ...]
    mean: tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
    deviation: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]
    kept: tuple[tuple[int, ...], ...]

    @classmethod
    def fit(cls, features: Sequence[Feature], numbers: np.ndarray, codes: np.ndarray) -> "Encoder":
        """From the training rows alone.

        numbers: (n, p) float64, NaN where missing. codes: (n, q) int32, -1 where missing.
        """
        mean, deviation = zip(*map(_moments, numbers.T), strict=True) if numbers.shape[1] else ((), ())
        categories = [feature for feature in features if feature.kind == "category"]
        kept = []
        for feature, column in zip(categories, codes.T, strict=True):
            counts = np.bincount(column[column >= 0], minlength=len(feature.levels))
            order = np.argsort(-counts, kind="stable")[: feature.kept]  # equally frequent ones by name
            kept.append(tuple(int(code) for code in order if counts[code]))
        return cls(features=tuple(features), mean=mean, deviation=deviation, kept=tuple(kept))

    def apply(self, numbers: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Inputs (n, d) float32 of stored rows."""
        inputs = np.zeros((len(numbers), sum(feature.width for feature in self.features)), np.float32)
        at = number = category = 0
        for feature in self.features:
            if feature.kind == "category":
                self._apply_category(feature, self.kept[category], codes[:, category], inputs[:, at:])
                category += 1
            else:
                column = numbers[:, number]
                absent = np.isnan(column)
                scaled = (column - self.mean[number]) / self.deviation[number]
                inputs[:, at] = np.where(absent, 0.0, scaled)
                if feature.missing:
                    inputs[:, at + 1] = absent
                number += 1
            at += feature.width
        return inputs

    @staticmethod
    def _apply_category(feature: Feature, kept: Sequence[int], column: np.ndarray, inputs: np.ndarray) -> None:
        """One column for each kept level, one for the others, one for missing; `inputs` begins at the first."""
        # By code: others, also for a code behind those of all levels, which a new text has; the last is that of -1.
        places = np.full(len(feature.levels) + 2, feature.kept)
        places[list(kept)] = np.arange(len(kept))
        places[-1] = feature.kept + 1
        place = places[np.minimum(column, len(feature.levels))]
        rows = np.flatnonzero(place < feature.width)  # a missing value of a column that had none is all zeros
        inputs[rows, place[rows]] = 1.0


def _moments(column: np.ndarray) -> tuple[float, float]:
    """Mean and deviation of what is there; (0, 1) of nothing, and a deviation of 1 of a column that stands still."""
    there = column[~np.isnan(column)]
    if not len(there):
        return 0.0, 1.0
    deviation = float(there.std())
    return float(there.mean()), deviation if deviation > 0 else 1.0


def dump_features(features: Sequence[Feature]) -> list[dict[str, Any]]:
    """Features as JSON values, for a description."""
    return [feature.model_dump(mode="json", exclude_defaults=True) for feature in features]
