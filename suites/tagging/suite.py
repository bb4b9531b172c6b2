"""Tagging sentences of a generated language: parts of speech, chunks, names and roles, with a known least error."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from torch import nn

from bench.api import Dataset, Interval, Protocol, Split, Suite, digest, register
from suites._shared.tagging.networks import NetworkName, make_tagger
from suites._shared.tagging.tags import TagSet
from suites._shared.tagging.tasks import list_metric_kinds, make_language_task, make_tag_task
from suites.tagging.bayes import bound_error
from suites.tagging.generate import CONTROL, LONGEST, TAG_SETS, TAG_TASKS, Language
from suites.tagging.grammar import CLAUSES, FILLERS, FRAMES
from suites.tagging.rows import IN_ORDER, StreamName, TaskSource, draw_sentences

VALIDATION, TEST = 250, 1000  # sentences of each task
BATCH = 16  # sentences of each task in an update


@register(
    "tagging",
    title="Tags of words",
    family="text",
    paper="after Collobert, Weston, A Unified Architecture for Natural Language Processing: Deep Neural Networks with "
    "Multitask Learning, ICML 2008",
)
class Tagging(Suite):
    """Tag the words of sentences: parts of speech, chunks, names and semantic roles, each from sentences of its own.

    Sentences are drawn from a grammar whose derivations can all be listed, of pseudo-words with endings, so that tags
    have no noise and the least error of each task is known (`bound_errors`). Data is drawn anew for each seed, the same
    for every method. Tasks have rows of their own, as corpora have; a row is a sentence.

    train: sentences of each task.
    relatedness: share of the words, in [0, 1], that look the same in every task. Each task by itself is as hard at
        every value; at 0 no word of one task says anything about a word of another.
    ambiguity: share of words of a class that belong to a second one, which only their sentence tells apart.
    gazetteer: share of names that name one kind of thing; the others are told by what stands around them.
    extra: further tasks: `control`, a tag for each word that follows from nothing; `language`, telling words from
        others that were put in their place, in text without labels; `both`.
    network: `window`, `convolution` with a maximum over time, `lstm` or `transformer`; its three stages are the table
        of words, the layer that sees the words around one, and a layer on top.
    window: words that `window` and `convolution` see around a word, with it; an odd number.
    """

    own_inputs = True

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        train: Annotated[int, Interval(ge=16, le=100_000)] = 400,
        relatedness: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        ambiguity: Annotated[float, Interval(ge=0, le=1)] = 0.2,
        gazetteer: Annotated[float, Interval(ge=0, le=1)] = 0.5,
        extra: Literal["none", "control", "language", "both"] = "none",
        network: NetworkName = "window",
        window: Annotated[int, Interval(ge=1, le=15)] = 5,
    ) -> None:
        super().__init__(data_dir)
        if window % 2 == 0:
            raise ValueError(f"`window` should be odd, as many words before a word as behind it. Found {window}.")
        self.dials = (ambiguity, gazetteer, relatedness)
        self.control, self.text = extra in ("control", "both"), extra in ("language", "both")
        self.network, self.window = network, window
        self.rows = (train, VALIDATION, TEST)
        source = self._find_source(0)
        self.input_shape, self.sizes = (3, LONGEST), source.sizes
        self.tasks = [
            make_language_task(name) if name == "language" else make_tag_task(name, _find_tags(name))
            for name in source.tasks
        ]
        self.protocol = Protocol(
            name="tagging",
            version=1,
            splits={split: source.count_rows(rows) for split, rows in zip(IN_ORDER, self.rows, strict=True)},
            split_rule="independent draws, anew for each seed",
            epochs=30,
            steps_per_epoch=25,
            batch_size=source.count_rows(BATCH),
            optimiser="adam",
            lr=5e-3,
            schedule="cosine",
            coordinates="mean",
            metrics=list_metric_kinds(self.tasks),
        )

    def find_language(self, seed: int) -> Language:
        """The language behind the rows of `seed`."""
        return Language(seed, *self.dials)

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """The table, the layer that sees the words around one, and a layer on top, with channels times `width`."""
        return make_tagger(self.network, self.sizes, LONGEST, self.window, width)

    def dataset(self, split: Split, seed: int) -> Dataset:
        """The sentences of `split`, drawn for `seed`."""
        return _draw(self._find_source(seed), (split,))

    def sealed(self, seed: int, draw: int) -> Dataset:
        """Further sentences of the language of `seed`, by the generator of `draw`."""
        return _draw(self._find_source(seed), ("sealed", draw))

    def bound_errors(self, seed: int) -> dict[str, float]:
        """task -> the least expected error on the test sentences of `seed` (`suites.tagging.bayes`).

        1 - accuracy of `pos`, 1 - F1 of the others, as shares. `control` has none, and that of `language` is not known.
        """
        source = self._find_source(seed)
        sentences = {task: draw_sentences(source, task, ("test",)) for task in TAG_TASKS}
        return {task: bound_error(source.language, sentences[task], task) for task in TAG_TASKS}

    def checksums(self) -> dict[str, str]:
        """Of the grammar, the dials and the first sentences."""
        first = self.dataset("train", 0)
        drawn = [float(first.inputs[task.name].double().sum()).hex() for task in self.tasks]
        tags = [int(first.targets[task.name].sum()) for task in self.tasks]
        return {"generator": digest([CLAUSES, FRAMES, FILLERS, list(self.dials), self.rows, drawn, tags])}

    def _find_source(self, seed: int) -> TaskSource:
        """Where the rows of `seed` come from."""
        return TaskSource(self.find_language(seed), self.control, self.text, self.window // 2, self.rows)


def _find_tags(task: str) -> TagSet:
    """What a task tags words with."""
    return TAG_SETS.get(task) or TagSet(tuple(f"c{number}" for number in range(CONTROL)))


@cache
def _draw(source: TaskSource, stream: StreamName) -> Dataset:
    """Rows of a source, kept for the runs that follow."""
    return source.draw(stream)
