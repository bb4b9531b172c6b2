"""Tells at the end of a long run how many cases of each kind there were."""

import pytest

from tests.fuzz.budget import RAN, SECONDS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SECONDS and RAN:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(RAN.items()))
        terminalreporter.write_line(f"Mutated and read: {kinds}; {RAN.total():,} in all.")
