"""Tagging the sentences of corpora that the user has."""

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from bench.api import DataMissing, Dataset, Interval, Protocol, Split, Suite, UsageError, digest, register
from bench.errors import count_nouns, make_printable
from bench.system.data_folder import find_data_folder
from suites._shared.tagging.networks import NetworkName, make_tagger
from suites._shared.tagging.tags import TagSet
from suites._shared.tagging.tasks import list_metric_kinds, make_tag_task
from suites.corpus.description import CORPUS_SPLITS, PreparedCorpus, PreparedTask, read_corpus_description
from suites.corpus.packing import count_packed_rows, pack_words
from suites.corpus.prepare import make_arrays, make_groups, write_arrays

PREPARED, ARRAYS = "corpus.json", "rows.npz"
LENGTH = 64  # places of a row, where no sentence is longer
MOST_REACH = 7  # words to either side that a convolution may see
BATCH = 1024  # places of an update for each group of rows
# What a suite looks like whose corpus was not read yet: its tasks are not known before.
NOTHING = PreparedCorpus(
    tasks=(PreparedTask(name="pos", group=0, labels=("X", "Y"), spans=False),),
    sizes=(2, 2, 2),
    length=LENGTH,
    rows={gap: dict.fromkeys(CORPUS_SPLITS, 1) for gap in range(MOST_REACH + 1)},
    groups=1,
    sha256="",
)


@register("corpus", title="Your corpora", family="text")
class Corpus(Suite):
    """Tag the words of sentences of your own corpora, each column a task, or each corpus or domain.

    Files are described in `corpus.toml` and read once, by `mtlbench data prepare corpus:name=NAME --source FOLDER`; the
    formats are those of CoNLL-2000, 2003, 2005 and 2012, CoNLL-U, columns of any other kind, and Brown. A row holds as
    many sentences as fit, with places between them that no network sees over.

    name: of the corpus, as it was prepared.
    network: `window`, `convolution` with a maximum over time, `lstm` or `transformer`; its three stages are the table
        of words, the layer that sees the words around one, and a layer on top.
    window: words that `window` and `convolution` see around a word, with it; an odd number.
    """

    resident = True

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        name: str = "mine",
        network: NetworkName = "window",
        window: Annotated[int, Interval(ge=1, le=2 * MOST_REACH + 1)] = 5,
    ) -> None:
        super().__init__(data_dir)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
            raise ValueError(f"`name` should be letters, digits and `_`, as `brown`. Found `{make_printable(name)}`.")
        if window % 2 == 0:
            raise ValueError(f"`window` should be odd, as many words before a word as behind it. Found {window}.")
        self.corpus, self.network, self.window, self.gap = name, network, window, max(1, window // 2)
        self.prepared = PreparedCorpus.read(self.folder / PREPARED) if self._is_there() else NOTHING
        prepared = self.prepared
        self.input_shape = (len(prepared.sizes), prepared.length)
        self.tasks = [make_tag_task(task.name, _make_tag_set(task)) for task in prepared.tasks]
        self.own_inputs = 1 < prepared.groups == len(self.tasks)
        rows = prepared.rows[self.gap]
        batch = min(rows["train"], max(1, BATCH // prepared.length) * prepared.groups)
        self.protocol = Protocol(
            name="corpus",
            version=1,
            splits=rows,
            split_rule="as the files of the corpus, or by their order",
            epochs=20,
            steps_per_epoch=max(20, min(200, rows["train"] // batch)),
            batch_size=batch,
            optimiser="adam",
            lr=5e-3,
            schedule="cosine",
            coordinates="mean",
            metrics=list_metric_kinds(self.tasks),
        )

    @property
    def folder(self) -> Path:
        """Where the corpus lies once it was read."""
        return find_data_folder(self.data_dir) / "corpora" / self.corpus

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """The table, the layer that sees the words around one, and a layer on top, with channels times `width`."""
        return make_tagger(self.network, self.prepared.sizes, self.prepared.length, self.window, width)

    def dataset(self, split: Split, seed: int) -> Dataset:
        """The rows of `split`, the same for every seed."""
        self._refuse_missing()
        return _pack_rows(self.folder / ARRAYS, self.prepared.sha256, split, self.gap, self.prepared.length)

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        """Read the corpora that a `corpus.toml` describes, and write them as arrays."""
        if source is None:
            raise UsageError(
                "A corpus should be given with `--source`: a folder with a `corpus.toml`, or that file. Its card says "
                "what stands in it."
            )
        folder, parts = read_corpus_description(source)
        read = []
        for part in parts:
            read.append(part.read(folder))
            counts = ", ".join(f"{split} {len(sentences):,}" for split, sentences in read[-1].items())
            yield f"{part.name or self.corpus}: sentences of {counts}"
        arrays, tasks, sizes = make_arrays(groups := make_groups(parts, read))
        lengths = {key: value for key, value in arrays.items() if key.endswith(".sizes")}
        length = max(LENGTH, *(int(each.max()) for each in lengths.values()))
        rows = {
            gap: {
                split: sum(count_packed_rows(lengths[f"{g}.{split}.sizes"], length, gap) for g in range(len(groups)))
                for split in CORPUS_SPLITS
            }
            for gap in range(1, MOST_REACH + 1)
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        write_arrays(self.folder / ARRAYS, arrays)
        prepared = PreparedCorpus(
            tasks=tuple(tasks), sizes=sizes, length=length, rows=rows, groups=len(groups), sha256=_hash(self.folder)
        )
        (self.folder / PREPARED).write_text(prepared.model_dump_json(indent=1), encoding="utf-8")
        words = sum(int(each.sum()) for each in lengths.values())
        filled = words / (sum(prepared.rows[2].values()) * length)
        yield (
            f"{count_nouns(len(tasks), 'task')}, {count_nouns(words, 'word')} in rows of {length} places, of which "
            f"{filled:.0%} hold a word; a dictionary of {count_nouns(sizes[0] - 2, 'word')}"
        )

    def data_status(self) -> dict[str, str]:
        """Whether the corpus was read."""
        return {self.corpus: "ready" if self._is_there() else "missing"}

    def checksums(self) -> dict[str, str]:
        """Of the arrays, and of what is known about them."""
        self._refuse_missing()
        if (found := _hash(self.folder)) != self.prepared.sha256:
            raise DataMissing(
                f"`{self.folder / ARRAYS}` should have the SHA-256 {self.prepared.sha256[:16]}... that it was written "
                f"with. Found {found[:16]}...; prepare the corpus again."
            )
        return {"arrays": found, "corpus": digest(self.prepared.model_dump(mode="json"))}

    def _is_there(self) -> bool:
        return (self.folder / PREPARED).is_file()

    def _refuse_missing(self) -> None:
        """Raise DataMissing where the corpus was not read."""
        if not self._is_there():
            raise DataMissing(
                f"`{self.corpus}` should be a corpus that was read: `mtlbench data prepare corpus:name={self.corpus} "
                "--source FOLDER`, with a `corpus.toml` in the folder."
            )


def _make_tag_set(task: PreparedTask) -> TagSet:
    """What a task tags words with; the predicate among its arguments is not scored."""
    unscored = ("V",) if task.spans and "V" in task.labels and "A0" in task.labels else ()
    return TagSet(task.labels, task.spans, unscored)


def _hash(folder: Path) -> str:
    """SHA-256 of the arrays in a folder; empty where there are none."""
    try:
        with (folder / ARRAYS).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


@cache
def _pack_rows(file: Path, sha256: str, split: str, gap: int, length: int) -> Dataset:
    """The rows of a split: inputs (n, K, L) float32, in [0, 1), targets (n, L) int64, -1 where there is no word.

    sha256: of the file, so that another one is read anew.
    """
    prepared = PreparedCorpus.read(file.with_name(PREPARED))
    scale = np.array(prepared.sizes)[:, None]
    with np.load(file, allow_pickle=False) as arrays:
        sizes = [arrays[f"{group}.{split}.sizes"] for group in range(prepared.groups)]
        rows: list[Tensor] = []
        for group, each in enumerate(sizes):
            packed = pack_words(arrays[f"{group}.{split}.seen"], each, length, gap, 0)
            rows.append(torch.from_numpy(packed / scale).float())
        targets = {
            task.name: torch.from_numpy(
                pack_words(arrays[f"{split}.{task.name}"], sizes[task.group], length, gap, -1).astype(np.int64)
            )
            for task in prepared.tasks
        }
    return Dataset({task.name: rows[task.group] for task in prepared.tasks}, targets)
