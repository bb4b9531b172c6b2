"""The generated language: its grammar, its words, its dials, and the least error that follows from them."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from suites._shared.tagging.tags import list_spans
from suites.tagging.bayes import bound_error, bound_token_error, compute_posteriors, list_span_chances
from suites.tagging.generate import LONGEST, TAG_SETS, TAG_TASKS, Language, Sentences, tabulate_grammar
from suites.tagging.grammar import list_derivations
from suites.tagging.lexicon import CAPITALISED, SUFFIXES, WORD_CLASSES

LANGUAGE = Language(0, 0.2, 0.5, 1.0)


@pytest.fixture(scope="module")
def sentences() -> Sentences:
    return LANGUAGE.draw(("test", "here"), 300)


def test_the_grammar_is_a_distribution_over_whole_sentences() -> None:
    derivations = list_derivations()
    assert sum(derivation.chance for derivation in derivations) == pytest.approx(1)
    for derivation in derivations:
        assert derivation.places[-1].word == "stop"
        assert len(derivation.places) <= LONGEST
        for task in ("chunk", "ner", "srl"):
            before = "O"
            for place in derivation.places:
                tag = getattr(place, task)
                assert not tag.startswith("I") or before[2:] == tag[2:]  # BIO, without a jump
                before = tag


def test_roles_and_names_go_with_the_clause() -> None:
    """One predicate a sentence; the first argument of a passive clause is A1; names are NNP and lie in noun phrases."""
    for derivation in list_derivations():
        roles = [place.srl for place in derivation.places]
        assert roles.count("B-V") == 1
        passive = any(place.pos == "VBN" for place in derivation.places)
        first = next(role for role in roles if role in ("B-A0", "B-A1"))
        assert first == ("B-A1" if passive else "B-A0")
        assert all(place.pos == "NNP" and place.chunk.endswith("NP") for place in derivation.places if place.ner != "O")


def test_a_chunk_follows_from_parts_of_speech_nearly_always() -> None:
    """The best guess of a chunk tag from a part of speech and its two neighbours is right for 99 words in 100."""
    right = total = 0.0
    seen: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for derivation in list_derivations():
        pos = ["", *(place.pos for place in derivation.places), ""]
        for at, place in enumerate(derivation.places):
            seen[tuple(pos[at : at + 3])][place.chunk] += derivation.chance  # type: ignore[assignment]
    for counts in seen.values():
        right += max(counts.values())
        total += sum(counts.values())
    assert 0.99 < right / total < 1


def test_words_of_a_class_are_zipf(sentences: Sentences) -> None:
    lexicon = LANGUAGE.lexicon
    assert np.allclose(lexicon.chance.sum(axis=1), 1)
    for row in lexicon.chance:
        members = np.sort(row[row > 0])[::-1]
        assert np.allclose(members * np.arange(1, len(members) + 1), members[0])
    place = tabulate_grammar().word[sentences.derivation]
    drawn = sentences.words >= 0
    assert np.array_equal(drawn, place >= 0)
    assert (lexicon.chance[place[drawn], sentences.words[drawn]] > 0).all()


def test_dials_of_words() -> None:
    def count_classes(ambiguity: float, gazetteer: float) -> tuple[np.ndarray, np.ndarray]:
        lexicon = Language(3, ambiguity, gazetteer, 1.0).lexicon
        members = (lexicon.chance > 0).sum(axis=0)
        names = (lexicon.chance[[WORD_CLASSES.index(c) for c in ("person", "place", "group")]] > 0).any(axis=0)
        return members[names], members[~names]

    names, others = count_classes(0, 1)
    assert set(names) == set(others) == {1}
    names, others = count_classes(1, 0)
    assert set(names) == {3}
    assert others.mean() > 1.9
    assert Language(3, 0, 1, 1.0).lexicon.words == Language(3, 1, 0, 0.0).lexicon.words


def test_relatedness_changes_codes_and_nothing_else(sentences: Sentences) -> None:
    """Each task by itself sees the same sentences at every value, in other codes: one for one, and the same at 1."""
    kept = []
    for relatedness in (0.0, 0.5, 1.0):
        language = Language(0, 0.2, 0.5, relatedness)
        again = language.draw(("test", "here"), 300)
        assert np.array_equal(again.words, sentences.words)
        codes = [language._deal_codes("words", task, 2, language.dictionary) for task in TAG_TASKS]
        assert all(sorted(code) == list(range(language.dictionary)) for code in codes)
        assert all(code[0] == 0 and code[1] == 1 for code in codes)
        kept.append(np.mean([a == b for a, b in zip(codes[0][2:], codes[1][2:], strict=True)]))
        plain, coded = LANGUAGE.encode(sentences, "pos"), language.encode(sentences, "pos")
        for channel in range(3):
            pairs = set(zip(plain[:, channel].ravel().tolist(), coded[:, channel].ravel().tolist(), strict=True))
            assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert kept[0] < 0.01 < 0.45 < kept[1] < 0.55 < kept[2] == 1


def test_posteriors_against_a_slow_sum(sentences: Sentences) -> None:
    """Word by word from the definition, for some sentences: sum over derivations of the chance of their words."""
    derivations, lexicon = list_derivations(), LANGUAGE.lexicon
    looks_like = defaultdict(list)
    for word, form in enumerate(lexicon.forms):
        looks_like[form].append(word)
    for rows, numbers, posterior in compute_posteriors(LANGUAGE, sentences):
        row, slow = rows[0], []
        words = sentences.words[row][sentences.words[row] >= 0]
        for number in numbers:
            chance = derivations[number].chance
            for at, (place, word) in enumerate(zip(derivations[number].places, words, strict=True)):
                same = looks_like[lexicon.forms[word]]
                chance *= lexicon.chance[WORD_CLASSES.index(place.word), same].sum()
                if at and (place.word in CAPITALISED) != sentences.upper[row, at]:
                    chance = 0.0
            slow.append(chance)
        assert np.allclose(posterior[:, 0], np.array(slow) / sum(slow))
        assert posterior[numbers == sentences.derivation[row], 0] > 0


def test_the_best_tagger_is_as_wrong_as_the_bound_says() -> None:
    """Wrong tags of the likeliest tag of each word, over many sentences, within four standard errors of the bound."""
    language = Language(5, 0.4, 0.0, 1.0)
    sentences = language.draw(("many",), 3000)
    for task in TAG_TASKS:
        tags, wrong, total = tabulate_grammar().tags[task], 0, 0
        for rows, derivations, posterior in compute_posteriors(language, sentences):
            for place in np.flatnonzero(tags[derivations[0]] >= 0):
                each = np.stack(
                    [(tags[derivations, place] == tag) @ posterior for tag in range(len(TAG_SETS[task].tags))]
                )
                wrong += int((each.argmax(axis=0) != sentences.read_tags(task)[rows, place]).sum())
                total += len(rows)
        bound = bound_token_error(language, sentences, task)
        assert abs(wrong / total - bound) < 4 * np.sqrt(bound * (1 - bound) / total) + 1e-9


@pytest.mark.parametrize("task", ["chunk", "ner", "srl"])
def test_the_best_set_of_spans(task: str, sentences: Sentences) -> None:
    """Spans above half of the best F1 are the best set, and their chances sum to the spans that there are."""
    chances = list_span_chances(LANGUAGE, sentences, task)
    best = 1 - bound_error(LANGUAGE, sentences, task)
    kept = chances > best / 2
    assert 2 * chances[kept].sum() / (kept.sum() + chances.sum()) == pytest.approx(best)
    for threshold in np.linspace(0, 0.99, 40):
        chosen = chances > threshold
        assert 2 * chances[chosen].sum() / (chosen.sum() + chances.sum()) <= best + 1e-12
    scored = {at for at, label in enumerate(TAG_SETS[task].labels) if label not in TAG_SETS[task].unscored}
    true = sum(span[2] in scored for row in sentences.read_tags(task) for span in list_spans(row))
    assert abs(chances.sum() - true) < 4 * np.sqrt((chances * (1 - chances)).sum()) + 1e-6


def test_what_makes_names_hard() -> None:
    """Names that name one kind of thing leave less error, and only what no dictionary has is left of it."""
    errors = [bound_error(language, language.draw(("t",), 500), "ner") for language in _dial_gazetteer()]
    assert errors[0] > errors[1] > errors[2] > 0
    assert errors[2] < 0.05


def _dial_gazetteer() -> list[Language]:
    return [Language(1, 0.2, gazetteer, 1.0) for gazetteer in (0.0, 0.5, 1.0)]


def test_words_without_a_dictionary_show_their_ending_alone() -> None:
    lexicon = LANGUAGE.lexicon
    hidden = ~lexicon.listed
    assert 0.05 < hidden.mean() < 0.15
    assert set(lexicon.codes[hidden]) == {1}
    assert len(set(lexicon.forms[hidden])) == len(set(lexicon.suffix[hidden])) <= len(SUFFIXES)
    assert len(set(lexicon.forms[lexicon.listed])) == lexicon.listed.sum()
