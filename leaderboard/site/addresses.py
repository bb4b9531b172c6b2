"""Where each page of the site lies, relative to its root."""

from collections.abc import Iterable

from bench.records import ResultRecord, digest, slug

MAX_NAME = 80  # characters of a file's name


class Addresses:
    """The files of suites, methods and runs: readable names, told apart by a hash where two would be the same."""

    def __init__(self, suites: Iterable[str], methods: Iterable[str]) -> None:
        self._suites, self._methods = _names(suites), _names(methods)

    def suite(self, name: str) -> str:
        """The page of a suite; nothing where it has none."""
        return f"suites/{self._suites[name]}.html" if name in self._suites else ""

    def board(self, suite: str, name: str) -> str:
        """The page of one of a suite's further boards."""
        return f"suites/{self._suites[suite]}~{slug(name, MAX_NAME)}.html"

    def method(self, name: str, suite: str = "") -> str:
        """The page of a method, at its runs on `suite`; nothing where it has none."""
        if name not in self._methods:
            return ""
        return f"methods/{self._methods[name]}.html" + (f"#{self.anchor(suite)}" if suite in self._suites else "")

    def anchor(self, suite: str) -> str:
        """Where a page speaks of a suite."""
        return f"on-{self._suites[suite]}"

    @staticmethod
    def run(record: ResultRecord) -> str:
        """The page of a run."""
        return f"runs/{record.run_id}.html"


def _names(texts: Iterable[str]) -> dict[str, str]:
    """Text -> file name; by a set of those taken, since a site may hold thousands."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for text in sorted(set(texts)):
        name = slug(text, MAX_NAME) or "unnamed"
        found[text] = f"{name}-{digest(text)[:6]}" if name in taken else name
        taken.add(found[text])
    return found
