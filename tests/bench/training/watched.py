"""A suite that writes down what is read of it."""

from collections.abc import Callable
from typing import Any

from bench.core.data import Dataset
from suites.synthetic import Synthetic


class Watched(Synthetic):
    """A suite that keeps a diary of what was read, and may do something instead."""

    def __init__(self, diary: list[str], instead: Callable[[str], None] | None = None) -> None:
        super().__init__(tasks=2)
        self.diary, self.instead = diary, instead

    def dataset(self, split: Any, seed: int) -> Dataset:
        self.diary.append(split)
        if self.instead:
            self.instead(split)
        return super().dataset(split, seed)

    def checksums(self) -> dict[str, str]:
        return {"none": ""}
