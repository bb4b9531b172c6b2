"""Build the site from the same rows as the text tables, so that the two cannot disagree."""

import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.records import MethodText, ResultRecord, parse_method
from leaderboard.board import Board
from leaderboard.cards import Card, built_in
from leaderboard.comparable import newest
from leaderboard.dial import Dial, dials
from leaderboard.files import write_whole
from leaderboard.notes import RULES, problem_notes
from leaderboard.render import FORMATS, printable, render
from leaderboard.site.addresses import Addresses
from leaderboard.site.assets import assets
from leaderboard.site.figures import (
    board_figures,
    budgets,
    cosine_figure,
    curve_figure,
    dial_figure,
    matrix_figure,
    sharing_figure,
)
from leaderboard.site.grids import board_grid, kind_of, overview_grid, runs_grid
from leaderboard.site.shown import Shown, owner, shown
from leaderboard.site.view import Figure, notes
from leaderboard.statistics import Selection
from leaderboard.store import Store, StoreContents
from leaderboard.tuned import searches_of
from leaderboard.verify import read_checks, state_of

PNG = b"\x89PNG\r\n\x1a\n"  # how every such file begins; anything else under the name is not shown
SHOWN_PANELS = 3
SHOWN_RUNS = 500  # of one method on one suite, in one table
LISTING = "site.files"  # what a build wrote, for the next one to clear
TEMPLATES = Path(__file__).parent / "templates"

Pages = Iterator[tuple[str, bytes]]


def write_site(
    contents: StoreContents,
    boards: Iterable[Board],
    out: Path,
    store_name: str,
    selection: Selection = "val",
    status: dict[str, Any] | None = None,
) -> Path:
    """Write the pages below `out` and return that of the overview.

    `boards` are the committed ones: those with results come first, then everything else that the store holds.
    `status` is what `site --watch` shows of runs that
    go on. Files that an earlier build wrote and this one does not are removed; equal files are left alone. Raises
    OSError where `out` cannot be written.
    """
    site = _Site(contents, list(boards), store_name, selection, built_in(), status)
    out.mkdir(parents=True, exist_ok=True)
    listing = out / LISTING
    before = set(listing.read_text(encoding="utf-8").split("\n")) if listing.is_file() else set()
    written: set[str] = set()
    for name, content in site.pages():
        _put(out / name, content)
        written.add(name)
    for name in sorted(before - written - {""}):
        target = out / name
        if target.resolve().is_relative_to(out.resolve()):
            target.unlink(missing_ok=True)
    write_whole(listing, "\n".join(sorted(written)) + "\n")
    return out / "index.html"


def _put(target: Path, content: bytes) -> None:
    try:
        if target.read_bytes() == content:
            return
    except OSError:
        target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


class _Site:
    """Every page of a site, made one by one."""

    def __init__(
        self,
        contents: StoreContents,
        boards: list[Board],
        store_name: str,
        selection: Selection,
        cards: dict[str, Card],
        status: dict[str, Any] | None,
    ) -> None:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only a site needs it

        sound = [submission for submission in contents.submissions if submission.sound]
        self.contents, self.status = contents, status
        self.cards = cards | {card.name: card for submission in sound for card in submission.cards}
        self.shown = shown(contents, boards, selection)
        self.dials = dials(contents.records)
        self.checks = read_checks(contents.root)
        known = {run.run_id for run in contents.records}
        new = [run for submission in sound for run in submission.records if run.run_id not in known]
        self.runs = [*contents.records, *new]
        self.by_method: dict[str, list[ResultRecord]] = {}
        for run in self.runs:
            self.by_method.setdefault(owner(run), []).append(run)
        self.addresses = Addresses((run.suite for run in self.runs), self.by_method)
        self.environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}
        suites = list(dict.fromkeys(one.board.suite for one in self.shown))
        self.environment.globals.update(
            store=printable(store_name),
            navigation=[(printable(suite), self.addresses.suite(suite)) for suite in suites],
            has_dials=bool(self.dials),
            live=status is not None,
        )
        self.suites = {suite: [one for one in self.shown if one.board.suite == suite] for suite in suites}

    def pages(self) -> Pages:
        """(name, content) of every file; the overview comes last, when everything that it links to is there."""
        for name, data in assets().items():
            yield f"assets/{name}", data
        for one in self.shown:
            for kind in FORMATS:
                yield f"data/{one.name}.{kind}", render(one.table, kind).encode()
        yield from self._panel_files()
        for run in self.runs:
            yield self.addresses.run(run), self._run(run)
        for method in self.by_method:
            yield self.addresses.method(method), self._method(method)
        for suite in self.suites:
            yield self.addresses.suite(suite), self._suite(suite)
        if self.dials:
            yield "dials.html", self._dials()
        yield "index.html", self._overview()

    def _page(self, template: str, root: str, **values: Any) -> bytes:
        return self.environment.get_template(template).render(root=root, **values).encode()

    def _overview(self) -> bytes:
        done = [run for run in self.runs if run.status == "done"]
        states = Counter(state_of(run, self.checks).replace("_", "-") for run in done) if self.checks else {}
        return self._page(
            "overview.html",
            "",
            cards=[_summary(own, self.addresses) for own in self.suites.values()],
            grid=overview_grid(self.shown_first(), self.addresses) if self.shown else None,
            runs=len(done),
            methods=len(self.by_method),
            states=sorted(states.items()),
            dials=[(dial.method, dial.option, f"dials.html#dial-{n}") for n, dial in enumerate(self.dials)],
            problems=[] if self.shown else notes(problem_notes(self.contents.problems)),
            status=self.status,
        )

    def shown_first(self) -> list[Shown]:
        """Of every suite the widest board, and its tuned track."""
        found = []
        for own in self.suites.values():
            found += [next((one for one in own if one.track == track), None) for track in ("default", "tuned")]
        return [one for one in found if one]

    def _suite(self, suite: str) -> bytes:
        own = self.suites[suite]
        first = next((run for run in self.runs if run.suite == suite), None)
        sections = []
        for one in own:
            figures = board_figures(one.table, self.contents)
            if one.track == "tuned":
                figures += _present([self._budget(one)])
            elif one is own[0]:
                runs = {
                    one.board.label(line.method): [r for (m, _), r in one.table.records.items() if m == line.method]
                    for line in one.laid.lines
                }
                figures += _present(
                    [cosine_figure({label: r for label, r in runs.items() if r}, f"cosines-{one.name}")]
                )
            sections.append(
                {
                    "name": one.name,
                    "title": printable(one.board.title),
                    "seeds": one.board.seeds,
                    "committed": one.committed,
                    "track": one.track,
                    "grid": board_grid(one, self.addresses),
                    "figures": figures,
                    "panels": self._panels(one) if one is own[0] else [],
                    "notes": notes(one.table.notes),
                }
            )
        protocol = first.spec.protocol.model_dump(mode="json", exclude_defaults=True) if first else {}
        linked = [
            (dial.option, dial.method, f"dials.html#dial-{n}")
            for n, dial in enumerate(self.dials)
            if dial.suite == suite
        ]
        return self._page(
            "suite.html", "../", suite=printable(suite), sections=sections, protocol=_flat(protocol), dials=linked
        )

    def _budget(self, one: Shown) -> Figure | None:
        board = one.board
        own = newest([r for r in self.runs if board.suite in (r.suite, r.spec.suite) and r.spec.tuning is not None])
        searches = [search for search in searches_of(own, board.trials) if search.method in board.methods]
        return budgets(searches, len(own[0].tasks), board) if own else None

    def _method(self, method: str) -> bytes:
        runs = self.by_method[method]
        parts = [self.cards[name] for name in _parts(method) if name in self.cards]
        places = [one for one in self.shown if any(one.behind(line.method) == method for line in one.laid.lines)]
        sections = []
        for suite in dict.fromkeys(run.suite for run in runs):
            own = sorted((run for run in runs if run.suite == suite), key=_order)
            plain = [run for run in own if run.status == "done" and not run.spec.overrides and not run.spec.tuning]
            anchor = self.addresses.anchor(suite)
            checks = {run.run_id: state_of(run, self.checks).replace("_", "-") for run in own} if self.checks else {}
            figures = [matrix_figure(plain, f"matrices-{anchor}"), sharing_figure(plain, f"sharing-{anchor}")]
            figures.append(cosine_figure({method: plain}, f"cosines-{anchor}"))
            sections.append(
                {
                    "suite": printable(suite),
                    "anchor": anchor,
                    "href": self.addresses.suite(suite),
                    "figures": _present(figures),
                    "grid": runs_grid(f"runs-{anchor}", f"Runs on {printable(suite)}", own[:SHOWN_RUNS], checks),
                    "hidden": max(0, len(own) - SHOWN_RUNS),
                    "command": _command(own[0]),
                }
            )
        standing = [(one, line) for one in places for line in one.laid.lines if line.method == method]
        return self._page(
            "method.html",
            "../",
            method=printable(method),
            parts=parts,
            places=[
                {
                    "title": printable(one.board.title),
                    "href": f"{self.addresses.suite(one.board.suite)}#{one.name}",
                    "place": printable(line.place),
                    "seeds": line.seeds,
                    "change": next(
                        (
                            f"{column.mean(row)} {column.interval(row, line)}".strip()
                            for column, row in zip(one.laid.columns, line.cells, strict=True)
                            if column.metric == "delta_log"
                        ),
                        "",
                    ),
                }
                for one, line in standing
            ],
            sections=sections,
        )

    def _run(self, run: ResultRecord) -> bytes:
        check = self.checks.get(run.run_id)
        known = check if check and check.digest == run.digest else None
        figures = [curve_figure(run), matrix_figure([run], "matrices"), sharing_figure([run], "sharing")]
        figures.append(cosine_figure({run.method: [run]}, "cosines"))
        rules = [rule for rule in RULES if rule in run.scores]
        return self._page(
            "run.html",
            "../",
            run=run,
            title=f"{printable(run.method)} · seed {run.spec.seed}",
            kind=kind_of(run),
            method_href=self.addresses.method(owner(run), run.suite),
            suite_href=self.addresses.suite(run.suite),
            command=_command(run),
            state=(known.state if known else "reported").replace("_", "-"),
            check=known,
            rules=rules,
            scores=[
                (
                    printable(task),
                    printable(metric),
                    [run.scores[rule].get(task, {}).get(metric) for rule in rules],
                )
                for task in run.tasks
                for metric in dict.fromkeys(m for rule in rules for m in run.scores[rule].get(task, {}))
            ],
            epochs=[(rule, sorted(run.selection.get(rule, {}).items())) for rule in rules],
            cost=[(name.replace("_", " "), value) for name, value in run.cost] if run.cost else [],
            configuration=_flat(run.spec.protocol.model_dump(mode="json")),
            versions=sorted(run.spec.versions.items()),
            overrides=sorted(run.spec.overrides.items()),
            environment=sorted(run.environment.items()),
            data=sorted(run.data.items()),
            figures=_present(figures),
            panels=[f"panels/{path.name}" for path in self._panels_of(run)],
        )

    def _dials(self) -> bytes:
        sections = [
            {
                "anchor": f"dial-{number}",
                "title": f"{printable(dial.method)} along {printable(dial.option)}",
                "suite": printable(dial.suite),
                "suite_href": self.addresses.suite(dial.suite),
                "settings": printable(dial.settings),
                "figure": dial_figure(dial, f"dial-figure-{number}"),
                "points": [
                    (f"{value:g}".replace("inf", "∞"), self._runs_of(runs)) for value, runs in dial.points.items()
                ],
                "ends": [(name, self._runs_of(runs)) for name, runs in dial.ends.items()],
                "command": _sweep(dial),
            }
            for number, dial in enumerate(self.dials)
        ]
        return self._page("dials.html", "", sections=sections)

    def _runs_of(self, runs: list[ResultRecord]) -> list[tuple[int, str]]:
        return [(run.spec.seed, self.addresses.run(run)) for run in runs]

    def _panels(self, one: Shown) -> list[dict[str, Any]]:
        """Of every method that has panels, the first few of its first seed."""
        found = []
        for line in one.laid.lines:
            runs = sorted((seed, r) for (m, seed), r in one.table.records.items() if m == line.method)
            for seed, run in runs if self.contents.root else ():
                if paths := self._panels_of(run):
                    images = [f"panels/{path.name}" for path in paths[:SHOWN_PANELS]]
                    found.append({"label": printable(line.label), "seed": seed, "images": images})
                    break
        return found

    def _panels_of(self, run: ResultRecord) -> list[Path]:
        if self.contents.root is None:
            return []
        return [path for path in Store(self.contents.root).panels(run.spec) if _is_png(path)]

    def _panel_files(self) -> Pages:
        for run in self.runs:
            for path in self._panels_of(run):
                yield f"panels/{path.name}", path.read_bytes()


def _is_png(path: Path) -> bool:
    with path.open("rb") as file:
        return not path.is_symlink() and file.read(len(PNG)) == PNG


def _order(run: ResultRecord) -> tuple[int, str, int, int]:
    """Runs of the protocol itself first, then winners of searches, other settings, trials."""
    tuning = run.spec.tuning
    rank = (3 if tuning.stage == "trial" else 1) if tuning else 2 if run.spec.overrides else 0
    return rank, kind_of(run) if rank == 2 else "", run.spec.seed, tuning.trial if tuning else 0


def _parts(method: str) -> list[str]:
    """The names of a method's parts; those of `@uniform`, which is what a method comes with, only where written."""
    try:
        parsed: MethodText = parse_method(method)
    except UsageError:
        return []
    return [call.name for call in (parsed.sharing, parsed.constraint, parsed.weighting) if call]


def _summary(own: list[Shown], addresses: Addresses) -> dict[str, Any]:
    """A suite in a few words: who leads, and who cannot be told from the leader."""
    first = own[0]
    standing = first.table.standings.methods
    ranked = sorted((each for each in standing.values() if each.place), key=lambda each: each.rank.mean)
    best = ranked[0] if ranked else None
    tied = [each for each in ranked[1:] if best and best.ties(each)]
    return {
        "suite": printable(first.board.suite),
        "href": addresses.suite(first.board.suite),
        "boards": [(printable(one.board.title), one.name) for one in own],
        "methods": first.finished,
        "seeds": first.board.seeds,
        "best": printable(first.board.label(best.method)) if best else "",
        "change": f"{best.change.mean:+.3f}" if best else "",
        "tied": [printable(first.board.label(each.method)) for each in tied],
        "ranked": len(ranked),
    }


def _command(run: ResultRecord) -> str:
    """What makes this run again."""
    quote: Callable[[str], str] = shlex.quote
    tuning = run.spec.tuning
    if tuning:
        tail = f" --seeds {run.spec.seed}" if tuning.stage == "final" else ""
        return printable(f"mtlbench tune {quote(run.suite)} {quote(tuning.of)} --trials {tuning.trial + 1}{tail}")
    pairs = [f"--set {quote(f'{key}={_written(value)}')}" for key, value in sorted(run.spec.overrides.items())]
    words = ["mtlbench run", quote(run.suite), quote(run.method), f"--seeds {run.spec.seed}", *pairs]
    return printable(" ".join(words))


def _written(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _sweep(dial: Dial) -> str:
    values = "/".join(f"{value:g}" for value in dial.points)
    seeds = sorted({run.spec.seed for runs in dial.points.values() for run in runs})
    settings = "".join(f" --set {shlex.quote(pair)}" for pair in dial.settings.split())
    over = f"--over {shlex.quote(f'{dial.option}={values}')} --seeds {seeds[0]}-{seeds[-1]}"
    return printable(f"mtlbench sweep {shlex.quote(dial.suite)} {shlex.quote(dial.method)} {over}{settings}")


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested object as pairs of a dotted name and a text."""
    found: list[tuple[str, str]] = []
    for key, item in value.items():
        if isinstance(item, dict):
            found += _flat(item, f"{prefix}{key}.")
        else:
            text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            found.append((f"{prefix}{key}", printable(text)))
    return found


def _present(figures: Iterable[Figure | None]) -> list[Figure]:
    return [figure for figure in figures if figure]
