"""Where each page of the site lies, relative to its root.

Every link goes through `Addresses`, so that no page links to one that is not written.
"""

from collections.abc import Collection, Iterable, Mapping

from bench.records import ResultRecord, digest, slug

# With a folder and an ending before and after it, well below the 255 bytes that file systems allow.
MAX_NAME = 80  # characters of a file's name


class Addresses:
    """File names of the pages of suites, methods and runs.

    Names are readable; where two texts have the same slug, the later in alphabetical order gets a hash of its text.

    Args:
        suites: short names of all suites that have records.
        methods: all methods that get a page, each with the suites that it was run on.
    """

    def __init__(self, suites: Iterable[str], methods: Mapping[str, Collection[str]]) -> None:
        self._suites, self._methods = _names(suites), _names(methods)
        self._run_on = methods

    def suite(self, name: str) -> str:
        """The page of a suite; empty for a suite without records, to which nothing can link."""
        return f"suites/{self._suites[name]}.html" if name in self._suites else ""

    def board(self, suite: str, name: str) -> str:
        """The page of a board that is not the first of its suite."""
        return f"suites/{self._suites[suite]}~{slug(name, MAX_NAME)}.html"

    def method(self, name: str, suite: str = "") -> str:
        """The page of a method, or that of its runs on `suite` where there are any; empty for a method without runs."""
        if name not in self._methods:
            return ""
        on = f"~{self._suites[suite]}" if suite in self._run_on[name] else ""
        return f"methods/{self._methods[name]}{on}.html"

    @staticmethod
    def run(record: ResultRecord) -> str:
        """The page of a run; run ids are unique and safe as file names."""
        return f"runs/{record.run_id}.html"

    @staticmethod
    def record(record: ResultRecord) -> str:
        """The record of a run as a file."""
        return f"runs/{record.run_id}.json"


def _names(texts: Iterable[str]) -> dict[str, str]:
    """Text -> file name without an ending, unique among all."""
    names: dict[str, str] = {}
    # A set, not the values of the dictionary: a site may hold thousands of methods.
    taken: set[str] = set()
    for text in sorted(set(texts)):
        name = slug(text, MAX_NAME) or "unnamed"
        names[text] = f"{name}-{digest(text)[:6]}" if name in taken else name
        taken.add(names[text])
    return names
