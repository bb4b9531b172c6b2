"""Words of `mtlbench data import` that tables and images have in common."""

from bench.errors import UsageError


def split_list(text: str) -> list[str]:
    """Items between commas, without spaces around them; `""` is an empty item, and a name with a comma is quoted."""
    import csv

    items = next(csv.reader([text], skipinitialspace=True), [])
    return [item.strip() for item in items]


def read_shares(text: str) -> tuple[float, ...]:
    """Shares of train, val and test. Raises UsageError for anything but three above 0 with the sum 1."""
    try:
        shares = tuple(float(part) for part in text.split("/"))
    except ValueError:
        shares = ()
    if len(shares) != 3 or not min(shares) > 0 or not abs(sum(shares) - 1) <= 1e-6:
        raise UsageError(f"`--split` should be three shares above 0 with the sum 1, as 0.6/0.2/0.2. Found `{text}`.")
    return shares
