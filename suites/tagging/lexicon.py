"""The words of a generated language: pseudo-words with endings, which word classes they belong to, and how often.

A word class is what a place of a sentence asks for, as a noun or the name of a person. A word may belong to several.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Open word classes and their number of words, chosen so that a few hundred sentences show about two thirds of them.
OPEN = {"noun": 400, "adjective": 120, "verb": 200, "time": 30, "adverb": 40, "person": 120, "place": 80, "group": 80}
CLOSED = {
    "determiner": ("the", "a", "this", "some"),
    "pronoun": ("he", "she", "it", "they"),
    "auxiliary": ("was", "were"),
    "in": ("in", "on", "at", "near"),  # before places and times alike
    "by": ("by",),  # before who did it, and before places
    "to": ("to",),
    "title": ("Mr", "Mrs", "Dr"),
    "firm": ("Corp", "Inc", "Club"),
    "stop": (".",),
}
WORD_CLASSES = (*OPEN, *CLOSED)
NAMES = ("person", "place", "group")
CAPITALISED = {*NAMES, "title", "firm"}
# The class whose members a share `ambiguity` of the words of a class are, too.
PARTNERS = {"noun": "verb", "verb": "noun", "adjective": "noun", "time": "noun", "adverb": "adjective"}
ENDINGS = {
    "noun": ("tion", "ness", "er"),
    "adjective": ("ous", "al"),
    "verb": ("ed", "ized"),
    "time": ("tion", "ness", "er"),
    "adverb": ("ly",),
}
SUFFIXES = tuple(dict.fromkeys(itertools.chain(("",), *ENDINGS.values())))  # "" of names and of closed classes
REGULAR = 0.9  # share of words with an ending of their own class; the others have any
UNLISTED = 0.1  # share of the stems of open classes that no dictionary has: their ending is all that is seen
PAD, UNKNOWN = 0, 1  # numbers of no word, and of every word that no dictionary has


def _make_stems(generator: np.random.Generator, count: int) -> list[str]:
    """`count` different stems of two or three syllables, a consonant and a vowel each."""
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    stems: dict[str, None] = {}
    while len(stems) < count:
        size = 2 + int(generator.random() < 0.5)
        stems["".join(syllables[i] for i in generator.integers(len(syllables), size=size))] = None
    return list(stems)


@dataclass(frozen=True)
class Lexicon:
    """V words, of which C word classes are made.

    words: spelling of each.
    suffix: (V,), the number of its ending in SUFFIXES.
    listed: (V,) bool, whether a dictionary has it.
    chance: (C, V) float64, probability of each word at a place that asks for the class, in the order of WORD_CLASSES.
        Within a class words are in a random order, and the k-th is drawn in proportion to 1 / k (Zipf).
    """

    words: tuple[str, ...]
    suffix: np.ndarray
    listed: np.ndarray
    chance: np.ndarray

    @classmethod
    def draw(cls, generator: np.random.Generator, ambiguity: float, gazetteer: float) -> "Lexicon":
        """Words from `generator`. The dials add memberships; words, endings and orders stay as they are.

        ambiguity: share of the words of a class that belong to a second one.
        gazetteer: share of the names that name one kind of thing; the others name persons, places and groups alike.
        """
        sizes = list(OPEN.values())
        stems = iter(_make_stems(generator, sum(sizes)))
        home = np.repeat(np.arange(len(OPEN)), sizes)
        closed = [word for words in CLOSED.values() for word in words]
        total = len(home) + len(closed)
        regular, other = generator.random(len(home)) < REGULAR, generator.integers(len(SUFFIXES), size=len(home))
        own, second = generator.random(len(home)), generator.random(len(home))
        listed = np.concatenate([generator.random(len(home)) >= UNLISTED, np.ones(len(closed), dtype=bool)])
        order = generator.random((len(WORD_CLASSES), total))

        suffix, words = np.zeros(total, dtype=np.int64), []
        member = np.zeros((len(WORD_CLASSES), total), dtype=bool)
        for word, number in enumerate(home):
            kind = WORD_CLASSES[number]
            member[number, word] = True
            if kind in NAMES:
                if second[word] >= gazetteer:
                    member[[WORD_CLASSES.index(name) for name in NAMES], word] = True
                words.append(next(stems).capitalize())
                continue
            if second[word] < ambiguity:
                member[WORD_CLASSES.index(PARTNERS[kind]), word] = True
            endings = ENDINGS[kind]
            ending = endings[int(own[word] * len(endings))] if regular[word] else SUFFIXES[other[word]]
            suffix[word] = SUFFIXES.index(ending)
            words.append(next(stems) + ending)
        at = len(home)
        for kind, members in CLOSED.items():
            member[WORD_CLASSES.index(kind), at : at + len(members)] = True
            at += len(members)
        rank = np.where(member, order, np.inf).argsort(axis=1).argsort(axis=1) + 1
        weight = member / rank
        return cls((*words, *closed), suffix, listed, weight / weight.sum(axis=1, keepdims=True))

    @cached_property
    def codes(self) -> np.ndarray:
        """The number (V,) of each word in the dictionary: UNKNOWN where it is in none, else from 2 on."""
        return np.where(self.listed, np.arange(len(self.words)) + 2, UNKNOWN)

    @cached_property
    def forms(self) -> np.ndarray:
        """What is seen of a word, as a number (V,): words that look alike, without a dictionary, have the same one."""
        seen = self.codes * len(SUFFIXES) + self.suffix
        return np.unique(seen, return_inverse=True)[1]

    @cached_property
    def form_chance(self) -> np.ndarray:
        """(C, F) float64, probability of each form at a place that asks for the class."""
        summed = np.zeros((len(WORD_CLASSES), int(self.forms.max()) + 1))
        np.add.at(summed.T, self.forms, self.chance.T)
        return summed
