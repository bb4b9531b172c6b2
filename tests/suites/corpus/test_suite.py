"""A corpus as a suite: read once, packed into rows, refused in a sentence where it does not fit."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.errors import DataMissing, UsageError
from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit
from suites.corpus.packing import count_packed_rows, pack_words, place_sentences
from suites.corpus.prepare import number_spelling
from suites.corpus.suite import Corpus
from suites.tagging.__main__ import write_sentences


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with generated sentences as CoNLL-2003 writes them, and a description."""
    source = tmp_path / "files"
    source.mkdir()
    for number, part in enumerate(("train", "val", "test")):
        (source / f"{part}.txt").write_text(write_sentences(number, 60 if part == "train" else 20, "conll2003"))
    (source / "corpus.toml").write_text(
        'format = "conll2003"\ntasks = ["pos", "chunk", "ner"]\n'
        'train = ["train.txt"]\nval = ["val.txt"]\ntest = ["test.txt"]\n'
    )
    return source


def prepare(folder: Path, name: str = "mine") -> Corpus:
    suite = Corpus(folder.parent, name=name)
    assert list(suite.prepare_data(folder))
    return Corpus(folder.parent, name=name)


def test_from_files_to_scores(folder: Path) -> None:
    suite = prepare(folder)
    assert [task.name for task in suite.tasks] == ["pos", "chunk", "ner"]
    assert suite.protocol.metrics == {"pos": "tokens", "chunk": "spans", "ner": "spans"}
    data = suite.dataset("train", 0)
    assert len(data.groups) == 1
    assert data.rows == suite.protocol.splits["train"]
    words = sum(len(line) > 0 for line in (folder / "train.txt").read_text().splitlines())
    assert int((data.targets["pos"] >= 0).sum()) == words == int((data.inputs["pos"][:, 0] > 0).sum())
    [spec] = plan(
        "corpus", ["hard"], [0], {"epochs": "2", "steps_per_epoch": "5"}, device="cpu", data_dir=folder.parent
    )
    record = fit(spec, folder.parent)
    assert record.status == "done", record.error
    assert sum(record.statistics["val"]["pos"]["truth"]) == sum(  # type: ignore[arg-type]
        len(line) > 0 for line in (folder / "test.txt").read_text().splitlines()
    )


def test_domains_are_tasks_with_rows_of_their_own(folder: Path) -> None:
    (folder / "corpus.toml").write_text(
        'format = "conll2003"\ntasks = ["pos"]\n'
        '[[corpus]]\nname = "news"\nfiles = ["train.txt"]\n[[corpus]]\nname = "web"\nfiles = ["t*.txt"]\n'
        "shares = [0.5, 0.25, 0.25]\n"
    )
    suite = prepare(folder, "two")
    assert [task.name for task in suite.tasks] == ["news", "web"]
    assert suite.own_inputs
    assert len(suite.dataset("test", 0).groups) == 2
    (folder / "corpus.toml").write_text((folder / "corpus.toml").read_text().replace('["pos"]', '["pos", "ner"]'))
    suite = prepare(folder, "four")
    assert [task.name for task in suite.tasks] == ["news_pos", "news_ner", "web_pos", "web_ner"]
    assert not suite.own_inputs
    assert len(suite.dataset("test", 0).groups) == 2


def test_roles_are_rows_of_their_own(folder: Path) -> None:
    lines = ["Ann (PER*) NNP (NP*) (S* * - - (A0*) (A0*)", "sees * VBZ (VP*) * * 01 see (V*) *"]
    lines += ["Bo (PER*) NNP (NP*) * * - - (A1*) *", "go * VB (VP*) *) * 01 go * (V*)", "", ""]
    (folder / "all.txt").write_text("\n".join(lines * 10))
    (folder / "corpus.toml").write_text('format = "conll2005"\ntasks = ["pos", "srl"]\nfiles = ["all.txt"]\n')
    suite = prepare(folder)
    data = suite.dataset("train", 0)
    assert suite.own_inputs
    assert suite.input_shape[0] == 4
    words = {task: int((data.targets[task] >= 0).sum()) for task in ("pos", "srl")}
    assert words["srl"] == 2 * words["pos"]
    distance = (data.inputs["srl"][0, 3, :4] * suite.prepared.sizes[3]).round().long()
    assert distance.tolist() == [10, 11, 12, 13]  # to the second word
    assert not data.inputs["pos"][:, 3].any()
    metric = suite.tasks[1].metric()
    labels = suite.prepared.tasks[1].labels
    assert [bool(scored) for scored in metric.scored] == [label != "V" for label in labels]  # type: ignore[attr-defined]


def test_packing() -> None:
    sizes = np.array([3, 2, 4, 1])
    rows, begins = place_sentences(sizes, 8, 2)
    assert rows.tolist() == [0, 0, 1, 1]
    assert begins.tolist() == [0, 5, 0, 6]
    packed = pack_words(np.arange(1, 11), sizes, 8, 2, 0)
    assert packed.tolist() == [[1, 2, 3, 0, 0, 4, 5, 0], [6, 7, 8, 9, 0, 0, 10, 0]]
    assert count_packed_rows(np.array([], dtype=int), 8, 2) == 0
    generator = np.random.Generator(np.random.PCG64(0))
    sizes = generator.integers(1, 40, size=500)
    values = generator.integers(1, 9, size=(3, sizes.sum()))
    packed = pack_words(values, sizes, 64, 2, 0)
    flat = np.moveaxis(packed, 1, 0).reshape(3, -1)
    assert np.array_equal(flat[:, flat[0] > 0], values)
    assert (flat[0] > 0).mean() > 0.7


def test_spellings() -> None:
    assert [number_spelling(word) for word in ("cat", "Cat", "CAT", "C4", ".", "I")] == [1, 2, 3, 4, 5, 2]


def test_before_it_was_read(tmp_path: Path) -> None:
    suite = parse_suite("corpus:name=brown", tmp_path)[1]
    assert suite.data_status() == {"brown": "missing"}
    for ask in (suite.checksums, lambda: suite.dataset("train", 0)):
        with pytest.raises(DataMissing, match="data prepare corpus:name=brown --source FOLDER"):
            ask()
    with pytest.raises(UsageError, match=r"`corpus\.toml`"):
        list(suite.prepare_data(None))


def test_arrays_that_changed_are_told(folder: Path) -> None:
    suite = prepare(folder)
    assert set(suite.checksums()) == {"arrays", "corpus"}
    file = suite.folder / "rows.npz"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(DataMissing, match="prepare the corpus again"):
        suite.checksums()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('format = "conll"\ntasks = ["pos"]\nfiles = ["train.txt"]\n', "`format` should be known"),
        ('tasks = ["pos"]\nfiles = ["train.txt"]\n', "`format` should be known, or `columns` be given. Found none"),
        ('format = "conll2000"\ntasks = ["ner"]\nfiles = ["train.txt"]\n', "`tasks` should be columns of the corpus"),
        ('format = "conll2003"\ntasks = ["pos"]\nfiles = ["none*"]\n', "`none*` should name a file"),
        ('format = "conll2003"\ntasks = ["pos"]\n', "should have `train`, `val` and `test`, or `files`"),
        ('format = "conll2003"\ntasks = ["pos"]\ntrain = ["train.txt"]\n', "should have `train`, `val` and `test`"),
        ('format = "conll2003"\ntasks = []\nfiles = ["train.txt"]\n', "`tasks` of `corpus.toml` should be"),
        ('format = "conll2003"\ntaks = ["pos"]\ntasks = ["pos"]\n', "the nearest: `tasks`"),
        (
            'format = "conll2003"\ntasks = ["pos"]\nfiles = ["train.txt"]\nshares = [1, 1, 1]\n',
            "`shares` should be three",
        ),
        ("format = ", "`corpus.toml` should be TOML"),
        ('corpus = 3\ntasks = ["pos"]', "should be tables"),
        (
            'format = "conll2003"\ntasks = ["pos"]\n[[corpus]]\nfiles=["a"]\n[[corpus]]\nfiles=["b"]\n',
            "should have a `name`",
        ),
        ('format = "conll2003"\nscheme = "bio"\ntasks = ["ner"]\nfiles = ["train.txt"]\n', "`train.txt:"),
    ],
)
def test_descriptions_that_are_refused(text: str, sentence: str, folder: Path) -> None:
    (folder / "corpus.toml").write_text(text)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        list(Corpus(folder.parent).prepare_data(folder))
    assert not (folder.parent / "corpora").exists()


def test_names_and_windows(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`window` should be odd"):
        parse_suite("corpus:window=4", tmp_path)
    with pytest.raises(ValueError, match="`name` should be letters"):
        Corpus(tmp_path, name="../x")


@pytest.mark.parametrize("window", [1, 5, 15])
def test_a_sentence_does_not_see_its_neighbours(folder: Path, window: int) -> None:
    """As far as a window reaches, there are places without words between sentences."""
    prepare(folder)
    suite = Corpus(folder.parent, window=window)  # type: ignore[arg-type]
    words = suite.dataset("train", 0).inputs["pos"][:, 0] > 0
    torch.manual_seed(0)
    stages = suite.backbone()
    x = suite.dataset("train", 0).inputs["pos"][:1]
    first = int((~words[0]).int().argmax())  # words of the first sentence
    changed = x.clone()
    changed[0, 0, :first] = 1 / suite.prepared.sizes[0]
    outputs = []
    for row in (x, changed):
        for stage in stages:
            row = stage(row)
        outputs.append(row)
    assert torch.equal(outputs[0][:, :, first:], outputs[1][:, :, first:])
    assert not torch.equal(outputs[0], outputs[1])
