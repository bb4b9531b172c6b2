"""Finds the model of a run in a store, by the run's id or the beginning of it."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError, make_printable, quote_names
from bench.system.regular import NotRegular, TooLarge, read_regular
from leaderboard.store import Store
from leaderboard.store.limits import read_limited
from leaderboard.store.models import CARD, MAX_CARD, WEIGHTS, find_models

if TYPE_CHECKING:
    from torch import Tensor

    from bench.training.kept_model import ModelCard


def find_card(root: Path, text: str) -> Path:
    """The description of the model of the run whose id begins with `text`.

    Raises UsageError, in one sentence, where there is no such run, several, or one that was stored without its model.
    """
    wanted, models = text.lower(), dict(find_models(root))
    fitting = [run for run in models if run.startswith(wanted)] if wanted else []
    if len(fitting) == 1:
        return models[fitting[0]]
    if fitting:
        raise UsageError(f"RUN should begin one run id. Found {len(fitting)} models: {quote_names(fitting)}.")
    shown = make_printable(text, 60)
    records = {record.run_id: record for record in Store(root).read(check=False).records}
    without = [run for run in records if run.startswith(wanted)] if wanted else []
    if len(without) == 1:
        record = records[without[0]]
        raise UsageError(
            f"Run `{without[0]}` was stored without its model; the command that ran `{record.method}` on "
            f"`{record.suite}`, with `--keep-model`, trains it again and keeps it."
        )
    if not models:
        raise UsageError(f"`{root}` holds no trained model; `mtlbench run SUITE METHOD --keep-model` keeps one.")
    close = get_close_matches(wanted, models, n=3, cutoff=0.6)
    near = f"the nearest: {quote_names(close)}" if close else f"there are models of {quote_names(sorted(models))}"
    if not re.fullmatch(r"[0-9a-f]{1,16}", wanted):
        near = f"an id is 16 digits and letters from a to f, {near}"
    raise UsageError(f"There is no run `{shown}` with a model; {near}.")


def read_kept_model(path: Path) -> "tuple[ModelCard, dict[str, Tensor]]":
    """The description at `path` and the weights beside it.

    Raises ValueError, in one sentence: the model has none, or a file of it is missing or damaged.
    """
    from bench.training.kept_model import read_card, read_weights

    try:
        card = read_card(read_limited(path, MAX_CARD), path.name)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith("`") else f"`{path.name}` {text}.") from error
    if card.run_id != path.name.removesuffix(CARD):
        raise ValueError(f"`{path.name}` should be of its run. Found the model of run {card.run_id}.")
    if card.refused:
        raise UsageError(f"Run `{card.run_id}` has no model: {card.refused}.")
    file = path.with_name(card.run_id + WEIGHTS)
    try:
        content = read_regular(file, file.lstat().st_size, links=False)  # any size: the digest tells what they are
    except (NotRegular, TooLarge, OSError) as error:
        raise ValueError(
            f"`{file.name}` should lie beside `{path.name}`, with the weights. Found no file that can be read; run it "
            "again with `--keep-model`."
        ) from error
    return card, read_weights(card, content, file.name)
