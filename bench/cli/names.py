"""Names that a part or a data set of the user's own cannot have: mtlbench means something else by them."""

SPECIAL = ("all", "auto", "none", "method", "metric")  # values of options and arguments, as in `--control all`


def find_meaning(name: str) -> str:
    """What `name` means already, as `command` or `sharing`; empty where it is free."""
    from bench.catalogue.registry import PACKAGES, list_entries
    from bench.cli.list import SHELVES
    from bench.cli.main import COMMANDS
    from bench.scores import KINDS as METRICS
    from leaderboard.boards.board import boards

    meanings = {kind: list(list_entries(kind)) for kind in PACKAGES}
    meanings |= {"table": list(boards()), "command": list(COMMANDS), "kind of metric": list(METRICS)}
    meanings["word"] = [*SPECIAL, *SHELVES, *PACKAGES]
    return next((meaning for meaning, names in meanings.items() if name in names), "")
