"""`name:word`, short for `name:option=word`: the option is the first of the suite that names its choices."""

from bench.catalogue.registry import find_entry, is_registered
from bench.records import Call, parse_call


def parse_short_call(text: str) -> Call:
    """Read a suite as written, where the first word behind the colon may stand without its option.

    `mechanisms:bias,train=50` is `mechanisms:kind=bias,train=50`. Where the word is no choice but an option, or the
    suite has no option that names its choices, the text is read as it stands.

    Raises UsageError as `parse_call`.
    """
    name, _, rest = text.partition(":")
    word = rest.partition(",")[0]
    if not word or "=" in word or not is_registered("suite", name):
        return parse_call(text)
    options = find_entry("suite", name).options
    first = next((option for option in options.values() if option.choices), None)
    if first is None or (word in options and word not in map(str, first.choices)):
        return parse_call(text)
    return parse_call(f"{name}:{first.name}={rest}")
