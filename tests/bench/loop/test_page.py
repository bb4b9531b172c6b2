"""The page on loops, run from top to bottom."""

import re

import torch

from tests.pages import list_programs, read_page


def test_the_page_runs_as_it_stands() -> None:
    blocks = list_programs(read_page("docs/your_loop.md"))
    assert len(blocks) == 5
    names: dict[str, object] = {}
    torch.manual_seed(0)
    exec("\n".join(blocks), names)
    assert names["net"].state.step == 4  # type: ignore[attr-defined]
    shares = names["shares"]
    assert isinstance(shares, dict)
    assert all(0.4 < share <= 1 for share in shares.values())
    assert names["held"].updates == 1  # type: ignore[attr-defined]
    for name in ("trunk", "a", "b"):
        assert all(p.grad is not None for p in names[name].parameters())  # type: ignore[attr-defined]


def test_everything_that_the_table_names_is_there() -> None:
    """Options of the table are parameters of the functions that it writes them for."""
    import inspect

    import mtlbench as mb
    from bench.loop.own_network import OwnNetwork

    page = read_page("docs/your_loop.md")
    table = page[page.index("## What loops need") : page.index("Layers are trained")]
    for option in re.findall(r"mb\.share\(\.\.\., (\w+)=", table):
        assert option in inspect.signature(mb.share).parameters
    for option in re.findall(r"net\.step\(losses, optimiser, (\w+)=", table):
        assert option in inspect.signature(OwnNetwork.step).parameters
    for method in re.findall(r"net\.(\w+)\(", table):
        assert hasattr(OwnNetwork, method)
