"""Sentences of a generated language with all their tags, and the code in which each task sees them.

`relatedness` leaves every task by itself as it is: each reads sentences of the same language, in a code of its own for
a share of the words. What falls with the dial is what one task's words say about another's.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from bench.api import derive_seed
from suites._shared.tagging.tags import TagSet
from suites.tagging.grammar import Derivation, list_derivations
from suites.tagging.lexicon import CAPITALISED, SUFFIXES, WORD_CLASSES, Lexicon

TAG_TASKS = ("pos", "chunk", "ner", "srl")
TAG_SETS = {
    "pos": TagSet(("DT", "JJ", "NN", "NNP", "PRP", "VBD", "VBN", "AUX", "IN", "RB", ".")),
    "chunk": TagSet(("NP", "VP", "PP", "ADVP"), spans=True),
    "ner": TagSet(("PER", "LOC", "ORG"), spans=True),
    "srl": TagSet(("V", "A0", "A1", "A2", "AM-LOC", "AM-TMP"), spans=True, unscored=("V",)),
}
LONGEST = max(len(derivation.places) for derivation in list_derivations())
CONTROL = 8  # tags of the task that follows from nothing
LOWER, UPPER = 1, 2  # numbers of the first letters of words; 0 where there is no word


@dataclass(frozen=True)
class Tables:
    """All derivations as arrays, -1 behind the end of a sentence.

    chance: (D,) their probabilities.
    length: (D,) words.
    word: (D, L) the number of the word class that each place asks for.
    tags: task -> (D, L) numbers of tags.
    """

    chance: np.ndarray
    length: np.ndarray
    word: np.ndarray
    tags: dict[str, np.ndarray]


@cache
def tabulate_grammar() -> Tables:
    """The grammar as arrays."""
    derivations = list_derivations()

    def fill(rows: list[list[int]]) -> np.ndarray:
        return np.array([row + [-1] * (LONGEST - len(row)) for row in rows])

    def tag(derivation: Derivation, task: str) -> list[int]:
        return [int(tag) for tag in TAG_SETS[task].encode([getattr(place, task) for place in derivation.places])]

    words = [[WORD_CLASSES.index(place.word) for place in derivation.places] for derivation in derivations]
    return Tables(
        np.array([derivation.chance for derivation in derivations]),
        np.array([len(row) for row in words]),
        fill(words),
        {task: fill([tag(derivation, task) for derivation in derivations]) for task in TAG_TASKS},
    )


@dataclass(frozen=True)
class Sentences:
    """n sentences of a language, -1 behind the end of each.

    derivation: (n,) which of the grammar's each one is.
    words: (n, L) numbers of words of the lexicon.
    upper: (n, L) bool, whether a word begins with a capital: the first of a sentence, and names.
    """

    derivation: np.ndarray
    words: np.ndarray
    upper: np.ndarray

    def read_tags(self, task: str) -> np.ndarray:
        """(n, L) numbers of the tags of a task."""
        tags: np.ndarray = tabulate_grammar().tags[task][self.derivation]
        return tags


@dataclass(frozen=True)
class Language:
    """A language of a seed.

    ambiguity, gazetteer: dials of its lexicon.
    relatedness: share of words, endings and capitals whose code is the same in every task.
    """

    seed: int
    ambiguity: float
    gazetteer: float
    relatedness: float

    @cached_property
    def lexicon(self) -> Lexicon:
        """Its words."""
        return Lexicon.draw(self._make_generator("lexicon"), self.ambiguity, self.gazetteer)

    @property
    def dictionary(self) -> int:
        """Numbers of words that a network may see, with those for no word and for an unknown one."""
        return len(self.lexicon.words) + 2

    def draw(self, stream: tuple[str | int, ...], count: int) -> Sentences:
        """`count` sentences; `stream` names what they are drawn for."""
        tables, generator = tabulate_grammar(), self._make_generator("sentences", *stream)
        derivation = generator.choice(len(tables.chance), size=count, p=tables.chance / tables.chance.sum())
        place, chance = tables.word[derivation], generator.random((count, LONGEST))
        words = np.full(place.shape, -1)
        for number, row in enumerate(self.lexicon.chance):
            at = place == number
            below = row.cumsum()
            words[at] = np.searchsorted(below, chance[at] * below[-1], side="right").clip(max=np.flatnonzero(row)[-1])
        upper = np.isin(place, [WORD_CLASSES.index(kind) for kind in CAPITALISED])
        upper[:, 0] = True
        return Sentences(derivation, words, upper)

    def encode(self, sentences: Sentences, task: str) -> np.ndarray:
        """What a network sees, (n, 3, L): numbers of words, of endings and of first letters; 0 where there is no word.

        Each in the code of `task`.
        """
        there = sentences.words >= 0
        codes, suffix = self.lexicon.codes[sentences.words], self.lexicon.suffix[sentences.words] + 1
        seen = np.stack([codes, suffix, np.where(sentences.upper, UPPER, LOWER)], axis=1)
        # Words from 2 on: no task mistakes an unknown word for another.
        sizes = {"words": (2, self.dictionary), "suffixes": (1, len(SUFFIXES) + 1), "letters": (1, UPPER + 1)}
        for channel, (what, (low, high)) in enumerate(sizes.items()):
            seen[:, channel] = self._deal_codes(what, task, low, high)[seen[:, channel]]
        return np.where(there[:, None], seen, 0)

    def draw_control(self, task: str) -> np.ndarray:
        """A tag for each number of a word in the code of `task`, uniform and following from nothing."""
        return self._make_generator("control", task).integers(CONTROL, size=self.dictionary)

    def _deal_codes(self, what: str, task: str, low: int, high: int) -> np.ndarray:
        """number -> number in the code of `task`: a permutation of low ... high - 1, which leaves the rest as it is.

        A number keeps its place if its own draw, the same for all tasks, lies below `relatedness`.
        """
        code = np.arange(high)
        own = low + np.flatnonzero(self._make_generator("kept", what).random(high - low) >= self.relatedness)
        code[own] = self._make_generator("code", what, task).permutation(own)
        return code

    def _make_generator(self, *stream: str | int) -> np.random.Generator:
        """Random numbers of a stream; dials are no part of it."""
        return np.random.Generator(np.random.PCG64(derive_seed("tagging", self.seed, *stream)))
