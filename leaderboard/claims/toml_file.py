"""Files that people write, read into models: a file that is wrong is named in a sentence."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bench.records import explain_invalid

Read = TypeVar("Read", bound=BaseModel)


def read_toml(path: Path, model: type[Read]) -> Read:
    """A file as a model. Raises ValueError with its name where it is malformed, or has what the model does not take."""
    try:
        return model(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        told = explain_invalid(error) if isinstance(error, ValidationError) else str(error)
        raise ValueError(f"`{path.name}`: {told}") from None
