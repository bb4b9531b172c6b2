"""Corpora in columns and brackets: what is read, round trips, and sentences on what is wrong, with file and line."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from bench.errors import UsageError
from suites.corpus.brown import read_brown, shorten_tag
from suites.corpus.columns import LAYOUTS, ColumnLayout, make_layout, read_columns, write_columns
from suites.corpus.schemes import check_bio, read_brackets, read_iob1, write_brackets, write_iob1
from suites.corpus.sentences import Sentence, Spot

SPOTS = [Spot(Path("x.txt"), line) for line in range(1, 100)]


def draw_bio(count: int, size: int) -> list[tuple[str, ...]]:
    """Random tags without an illegal step, of two types."""
    generator, found = np.random.Generator(np.random.PCG64(0)), []
    for _ in range(count):
        tags: list[str] = []
        for _ in range(size):
            legal = ["O", "B-X", "B-Y", *([f"I-{tags[-1][2:]}"] * 3 if tags and tags[-1] != "O" else [])]
            tags.append(legal[generator.integers(len(legal))])
        found.append(tuple(tags))
    return found


def test_iob1_there_and_back() -> None:
    assert read_iob1(["I-X", "I-X", "B-X", "O", "I-Y", "I-X"], SPOTS[:6]) == ("B-X", "I-X", "B-X", "O", "B-Y", "B-X")
    for tags in draw_bio(300, 8):
        there = write_iob1(tags)
        assert read_iob1(there, SPOTS[:8]) == tags == check_bio(tags, SPOTS[:8])
        assert write_iob1(read_iob1(there, SPOTS[:8])) == there


def test_brackets_there_and_back() -> None:
    cells = ["(A0*", "*", "*)", "(V*)", "*", "(C-A1*)", "(R-A0*", "*)"]
    tags = ("B-A0", "I-A0", "I-A0", "B-V", "O", "B-C-A1", "B-R-A0", "I-R-A0")
    assert read_brackets(cells, SPOTS[:8]) == tags
    assert list(write_brackets(tags)) == cells
    for each in draw_bio(300, 8):
        assert read_brackets(write_brackets(each), SPOTS[:8]) == each


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ("(A0* (A1* *)", "`x.txt:2` should begin no span inside of another. Found `(A1*` inside of `A0`."),
        ("((A0*", "`x.txt:1` should begin no span inside of another. Found `((A0*`."),
        ("(S(NP*", "`x.txt:1` should begin no span inside of another."),
        ("* *)", "`x.txt:2` should end a span that was begun. Found `*)`."),
        ("* (A0* *", "`x.txt:2` should have an end of the span `A0` in its sentence. Found none."),
        ("A0*", "`x.txt:1` should hold brackets"),
        ("(A0*))", "`x.txt:1` should hold brackets"),
        ("B-A0", "`x.txt:1` should hold brackets"),
        ("(*)", "`x.txt:1` should hold brackets"),
    ],
)
def test_brackets_that_are_refused(cells: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        read_brackets(cells.split(), SPOTS[: len(cells.split())])


def test_every_illegal_step_of_bio_is_refused() -> None:
    for before, tag in itertools.product(("", "O", "B-X", "I-X", "B-Y"), ("I-X", "I-Y")):
        start = [] if not before else ["B-X", before] if before[0] == "I" else [before]
        tags = [*start, tag]
        legal = before[2:] == tag[2:]
        if legal:
            assert check_bio(tags, SPOTS[: len(tags)]) == tuple(tags)
            continue
        with pytest.raises(UsageError, match=rf"`x\.txt:{len(tags)}`"):
            check_bio(tags, SPOTS[: len(tags)])


@pytest.mark.parametrize("tag", ["S-X", "E-X", "X", "B", "B-", "b-X", "o", "U-PER", "*"])
def test_other_schemes_are_refused(tag: str) -> None:
    for read in (check_bio, read_iob1):
        with pytest.raises(UsageError, match=r"`x.txt:1` should hold tags as `B-X`, `I-X` or `O`"):
            read([tag], SPOTS[:1])


def test_a_scheme_that_is_another_is_told() -> None:
    with pytest.raises(UsageError, match=r'`x.txt:2` should begin a span with `I-X` .*scheme = "bio"'):
        read_iob1(["O", "B-X"], SPOTS[:2])
    with pytest.raises(UsageError, match=r'`x.txt:1` should begin a span with `B-X` .*scheme = "iob1"'):
        check_bio(["I-X"], SPOTS[:1])


TEXTS = {
    "conll2000": "He PRP B-NP\nsaw VBD B-VP\nit PRP B-NP\n. . O\n\nYes UH O\n\n",
    "conll2003": "-DOCSTART- -X- -X- O\n\nEU NNP I-NP I-ORG\nUN NNP B-NP B-ORG\nrejects VBZ I-VP O\n\n",
    "conll2005": (
        "He * PRP (NP*) (S* (S* - - (A0*) (A0*)\n"
        "Ann (PER*) NNP (NP*) * * - - * *\n"
        "wants * VBZ (VP* * * 01 want (V*) *\n"
        "to * TO *) * * - - (A1* *\n"
        "go * VB (VP*) *) *) 01 go *) (V*)\n\n"
    ),
    "conll2012": (
        "#begin document (bc/x); part 000\n"
        "bc/x 0 0 Ann NNP (S* - - - - (PERSON*) (A0*) -\n"
        "bc/x 0 1 goes VBZ *) go 01 - - * (V*) (0)\n\n"
        "bc/x 0 0 Yes UH * - - - - * -\n\n"
        "#end document\n"
    ),
    "conllu": (
        "# text = Don't go\n1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_\n"
        "1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_\n2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_\n"
        "2.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_\n\n"
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    file, layout = tmp_path / "a.txt", LAYOUTS[name]
    file.write_text(TEXTS[name])
    sentences = list(read_columns(file, layout))
    written = write_columns(sentences, layout)
    file.write_text(written)
    assert list(read_columns(file, layout)) == sentences
    assert write_columns(list(read_columns(file, layout)), layout) == written
    assert set(sentences[0].tags) == set(layout.tags)


def read(name: str, tmp_path: Path, text: str | None = None) -> list[Sentence]:
    file = tmp_path / "a.txt"
    file.write_text(TEXTS[name] if text is None else text)
    return list(read_columns(file, LAYOUTS[name]))


def test_what_is_read(tmp_path: Path) -> None:
    first, second = read("conll2000", tmp_path)
    assert first.words == ("He", "saw", "it", ".")
    assert first.tags == {"pos": ("PRP", "VBD", "PRP", "."), "chunk": ("B-NP", "B-VP", "B-NP", "O")}
    assert second.words == ("Yes",)
    [names] = read("conll2003", tmp_path)
    assert names.tags["ner"] == ("B-ORG", "B-ORG", "O")
    want, go = read("conll2005", tmp_path)
    assert (want.predicate, go.predicate) == (2, 4)
    assert want.tags["srl"] == ("B-A0", "O", "B-V", "B-A1", "I-A1")
    assert go.tags["srl"] == ("B-A0", "O", "O", "O", "B-V")
    assert want.tags["ner"] == ("O", "B-PER", "O", "O", "O")
    goes, yes = read("conll2012", tmp_path)
    assert (goes.predicate, goes.tags["srl"], yes.predicate) == (1, ("B-A0", "B-V"), -1)
    [do] = read("conllu", tmp_path)
    assert do.words == ("Do", "n't", "go")
    assert do.tags == {"pos": ("AUX", "PART", "VERB"), "xpos": ("VB", "RB", "VB")}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("conll2000", "He PRP B-NP\nsaw VBD\n", "`a.txt:2` should have 3 columns. Found 2;"),
        ("conll2000", "He PRP B-NP I\n", "`a.txt:1` should have 3 columns. Found 4;"),
        ("conll2000", "He PRP B-NP\n\nsaw VBD I-VP\n", "`a.txt:3` should begin a span with `B-VP` (BIO)"),
        ("conll2003", "He PRP I-NP B-PER\n", "`a.txt:1` should begin a span with `I-PER` (IOB1)"),
        ("conll2005", "He * PRP * * * -\n", "`a.txt:1` should have at least 8 columns. Found 7."),
        ("conll2005", "a * X * * * - - (V*)\nb * X * * * - -\n", "`a.txt:2` should have 9 columns, as the first"),
        ("conll2005", "a * X * * * - - (A0*)\n", "`a.txt:1` should begin a sentence with one `(V*)` for each"),
        ("conllu", "x\tDo\t_\tA\tB\t_\t_\t_\t_\t_\n", "`a.txt:1` should begin with the number of a word. Found `x`."),
        ("conllu", "1\t\t_\tA\tB\t_\t_\t_\t_\t_\n", "`a.txt:1` should have something in every column."),
    ],
)
def test_lines_that_are_refused(name: str, text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        read(name, tmp_path, text)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            b"He PRP B-NP\ncaf\xe9 NN B-NP\n",
            "`a.txt:2` should be text in UTF-8, as its other lines. Found the byte 0xe9",
        ),
        ("He PRP B-NP\n".encode("utf-16"), "`a.txt:1` should be text in UTF-8. Found a NUL"),
    ],
)
def test_encodings_that_are_refused(data: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        list(read_columns(tmp_path / "a.txt", LAYOUTS["conll2000"]))


def test_ends_of_lines_and_marks_of_order_are_no_words(tmp_path: Path) -> None:
    plain = read("conll2000", tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + TEXTS["conll2000"].replace("\n", "\r\n").encode())
    assert list(read_columns(tmp_path / "a.txt", LAYOUTS["conll2000"])) == plain
    (tmp_path / "a.txt").write_text(TEXTS["conll2000"].rstrip("\n"))
    assert list(read_columns(tmp_path / "a.txt", LAYOUTS["conll2000"])) == plain


def test_columns_of_a_kind_of_ones_own(tmp_path: Path) -> None:
    layout = make_layout(["-", "word", "mood", "name:bio"])
    (tmp_path / "a.txt").write_text("1 Ann glad B-P\n2 Lee sad I-P\n")
    assert list(read_columns(tmp_path / "a.txt", layout)) == [
        Sentence(("Ann", "Lee"), {"mood": ("glad", "sad"), "name": ("B-P", "I-P")})
    ]
    for wrong in (
        ["pos"],
        ["word", "word", "pos"],
        ["word"],
        ["word", "a:bioes"],
        ["word", "srl*", "pos"],
        ["word", "a b"],
    ):
        with pytest.raises(UsageError, match="`columns` should"):
            make_layout(wrong)


@pytest.mark.parametrize(
    ("tag", "short"),
    [
        *(("nn", "nn"), ("nn-tl", "nn"), ("nn-tl-hl", "nn"), ("fw-in+at-tl", "in"), ("bez*", "bez"), ("*", "*")),
        *(("np$-tl", "np$"), ("ppss+bem", "ppss"), ("--", "--"), ("*-hl", "*"), ("nn-nc", "nn"), ("md*", "md")),
    ],
)
def test_tags_of_brown(tag: str, short: str) -> None:
    assert shorten_tag(tag) == short


def test_brown(tmp_path: Path) -> None:
    (tmp_path / "ca01").write_text("\n\n\tThe/at Fulton/np-tl 1/2/cd ./.\n\n")
    assert list(read_brown(tmp_path / "ca01")) == [
        Sentence(("The", "Fulton", "1/2", "."), {"pos": ("at", "np", "cd", ".")})
    ]
    (tmp_path / "ca01").write_text("\nThe/at Fulton\n")
    with pytest.raises(UsageError, match=r"`ca01:2` should have a tag behind every word, as `The/at`. Found `Fulton`"):
        list(read_brown(tmp_path / "ca01"))


def test_what_layouts_say_of_themselves() -> None:
    assert LAYOUTS["conll2003"].spans == {"chunk": "iob1", "ner": "iob1"}
    assert LAYOUTS["conll2012"].tags == ["pos", "ner", "srl"]
    assert ColumnLayout(("word", "pos")).spans == {}
