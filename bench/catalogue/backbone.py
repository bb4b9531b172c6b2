"""Reading the text of a backbone: `mlp:hidden=64/64`, `timm:model=resnet18`."""

import re

from bench.catalogue.registry import Choice, choose
from bench.records import parse_call


def read_backbone(text: str) -> Choice:
    """The backbone that a text names, with its options; `.build().make_stages(inputs)` makes its stages.

    Options are divided by commas, or by `+` before a letter where the text is itself an option of a suite, whose own
    commas come first: `mine:backbone=timm:model=resnet18+pool=true`.

    Raises UsageError with the nearest valid names, keys or values.
    """
    name, colon, options = text.partition(":")
    return choose("backbone", parse_call(name + colon + re.sub(r"\+(?=[A-Za-z])", ",", options)))
