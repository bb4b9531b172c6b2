"""Links of pages that leave `docs/`, as the built site has them: other pages, and files that it carries along."""

import posixpath
import re
from collections.abc import Iterator, Mapping

_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\]\([^)]*\))*\]\()([^)\s]+)((?:\s+\"[^\"]*\")?\))")
_FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2[ \t]*$", re.DOTALL | re.MULTILINE)
CARRIED = "files"  # the folder of the site for files that are no pages


def list_links(text: str) -> Iterator[str]:
    """The targets of links and pictures of a page, programs left out, in their order."""
    for match in _LINK.finditer(_FENCE.sub("", text)):
        yield match[2]
        yield from (inner[2] for inner in _LINK.finditer(match[1]))


def is_inside(target: str) -> bool:
    """Whether a link leads to a file of this project."""
    return not re.match(r"[a-z]+:|//|#", target)


def resolve_link(page: str, target: str) -> str:
    """The path from the root of what a page links to, without its anchor. Both are written with slashes."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target.partition("#")[0]))


def place_file(path: str, pages: Mapping[str, str]) -> str:
    """Where a file of the project lies in the sources of the site.

    Args:
        path: from the root of the project.
        pages: path -> place, of files outside `docs/` that are pages.
    """
    if path in pages:
        return pages[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{CARRIED}/{path.removeprefix('.')}"


def rewrite_links(text: str, page: str, pages: Mapping[str, str]) -> str:
    """The text of a page whose links lead to where the site has their targets.

    Args:
        text: Markdown.
        page: its path from the root of the project.
        pages: as in `place_file`.
    """
    here = posixpath.dirname(place_file(page, pages))

    def rewrite(match: re.Match[str]) -> str:
        before, target, after = _LINK.sub(rewrite, match[1]), match[2], match[3]
        if is_inside(target):
            anchor = target.partition("#")[1:]
            place = posixpath.relpath(place_file(resolve_link(page, target), pages), here or ".")
            target = place + "".join(anchor)
        return before + target + after

    parts, at = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(rewrite, text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, _LINK.sub(rewrite, text[at:])])
