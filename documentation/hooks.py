"""What MkDocs is told while it builds: pages and files from outside `docs/`, links, tooltips, equations as MathML."""

import html
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Link, Navigation
from mkdocs.structure.pages import Page

from documentation.links import is_inside, list_links, place_file, resolve_link, rewrite_links
from documentation.parts_page import write_parts_page
from documentation.tooltips import explain_first_mentions, read_terms

ROOT = Path(__file__).parents[1]
LONG = 40  # characters of LaTeX beyond which an equation in a line scrolls by itself, where a screen is narrow
WITHOUT_TOOLTIPS = {"glossary.md", "changelog.md", "cli.md"}
_EQUATION = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)


@cache
def map_pages() -> dict[str, str]:
    """Path from the root -> place among the pages, of what lies outside `docs/` and is a page."""
    pages = {
        "README.md": "index.md",
        "CONTRIBUTING.md": "contributing.md",
        "CODE_OF_CONDUCT.md": "code_of_conduct.md",
        "SECURITY.md": "report_a_fault.md",
        "CHANGELOG.md": "changelog.md",
    }
    for card in sorted(ROOT.glob("suites/*/README.md")):
        pages[str(card.relative_to(ROOT))] = f"suites/{card.parent.name}.md"
    for example in sorted(ROOT.glob("examples/*.py")):
        pages[str(example.relative_to(ROOT))] = f"examples/{example.stem}.md"
    return pages


def read_markdown(path: str) -> str:
    """The Markdown of a page, whose path is from the root; that of a program has it in a block."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".py"):
        return f"# {Path(path).name}\n\n```python\n{text}```\n"
    return text


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside, and every file that some page links to."""
    for path, place in map_pages().items():
        files.append(File.generated(config, place, content=read_markdown(path)))
    files.append(File.generated(config, "parts.md", content=write_parts_page()))
    sources = [*map_pages(), *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]
    links = [(source, each) for source in sources for each in list_links(read_markdown(source)) if is_inside(each)]
    linked = {resolve_link(source, target) for source, target in links}
    for path in sorted(linked):
        place = place_file(path, map_pages())
        if (ROOT / path).is_file() and files.get_file_from_path(place) is None:
            files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    return files


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """A door to the boards, where they are built into the same site: at the path that `make site` names."""
    if boards := os.environ.get("MTLBENCH_BOARDS"):
        nav.items.insert(1, Link("Leaderboard", boards))
    return nav


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links lead to where the site has their targets."""
    source = {place: path for path, place in map_pages().items()}.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return rewrite_links(markdown, source, map_pages())


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Equations become MathML, which browsers lay out without a script; terms have their meaning at first mention."""
    content = _EQUATION.sub(_write_mathml, content)
    if page.file.src_uri in WITHOUT_TOOLTIPS:
        return content
    return explain_first_mentions(content, read_terms((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")))


def _write_mathml(match: re.Match[str]) -> str:
    """One equation, which arithmatex has left as LaTeX between brackets."""
    from latex2mathml.converter import convert

    text = html.unescape(match[2]).strip()
    display = "block" if text.startswith("\\[") else "inline"
    found: Any = convert(text[2:-2].strip(), display=display)
    if display == "block":
        return f'<div class="equation">{found}</div>'
    return f'<span class="equation">{found}</span>' if len(text) > LONG else str(found)
