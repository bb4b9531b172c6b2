"""The page to choose a method on: by kind and number of tasks, rows and size, with what the runs say of each method."""

from leaderboard.analysis.costs import collect_costs
from leaderboard.analysis.results import Results
from leaderboard.claims import CheckedSituation
from leaderboard.report.escape import printable
from leaderboard.report.pair_table import write_cost_ratio
from leaderboard.report.percent import write_error_change
from leaderboard.report.verdict_words import LEADS, word_contrast
from leaderboard.site.context import Context
from leaderboard.site.families import is_plain, write_method_title
from leaderboard.site.pages.suite import find_board_address

SMALL = 0.6  # of the parameters of separate models: about one network for all tasks


def render_choose_page(site: Context) -> bytes:
    """Render all situations, which menus narrow to the ones that somebody is in."""
    situations = [_describe_choice(each, site) for each in site.choices]
    menus = {label: list(dict.fromkeys(str(each[label]) for each in situations)) for label in ("kind", "tasks", "rows")}
    return site.page("choose.html", "", situations=situations, menus=menus, small=SMALL)


def _describe_choice(checked: CheckedSituation, site: Context) -> dict[str, object]:
    """A situation as values of the template."""
    choice = checked.choice
    sizes = [collect_costs(results.records, "parameters") for results in checked.boards]
    options = []
    for option in choice.options:
        ratios = [
            size[option.method] / size[results.board.reference]
            for size, results in zip(sizes, checked.boards, strict=True)
            if {option.method, results.board.reference} <= size.keys()
        ]
        options.append(
            {
                "name": printable(option.method),
                "title": printable(write_method_title(option.method, site.cards)) if is_plain(option.method) else "",
                "href": site.addresses.method(option.method),
                "small": bool(ratios) and max(ratios) <= SMALL,
                "places": [
                    _describe_place(checked, place, option.method, sizes[place], site)
                    for place in range(len(checked.boards))
                ],
            }
        )
    return {
        "name": choice.name,
        "anchor": choice.name.replace(" ", "-").replace(",", ""),
        "kind": choice.kind,
        "tasks": choice.tasks,
        "rows": choice.rows,
        "options": options,
        "boards": [_describe_board(results, place, checked, site) for place, results in enumerate(checked.boards)],
    }


def _describe_place(
    checked: CheckedSituation, place: int, method: str, sizes: dict[str, float], site: Context
) -> dict[str, str]:
    """What one board says of an option: numbers, verdict, whether it could be the best, and its runs."""
    results, row = checked.boards[place], checked.rows[place][method]
    reference = results.board.reference
    best = LEADS if row.leads else "could be the best" if row.could_be_best else "is not the best"
    return {
        "board": printable(results.board.title),
        "href": site.addresses.method(method, results.board.suite),
        "change": "" if method == reference else f"error {write_error_change(row.change)}",
        "verdict": word_contrast(row.verdict) if row.verdict else "the reference",
        "side": row.side,
        "best": best,
        "size": write_cost_ratio(sizes, method, reference),
    }


def _describe_board(results: Results, place: int, checked: CheckedSituation, site: Context) -> dict[str, str]:
    """A board, its rows of training, and how many of its methods are told apart from separate models."""
    one = next(one for one in site.shown if one.results is results)
    verdicts = [row.verdict for row in checked.rows[place].values() if row.verdict]
    protocol = results.cells.protocol
    rows = protocol.splits.get("train") if protocol else None
    counts = [f"{verdicts.count(word)} {word}" for word in ("better", "worse") if word in verdicts]
    told = f"of {len(verdicts)} methods {', '.join(counts)} than separate models" if counts else ""
    return {
        "title": printable(results.board.title),
        "href": find_board_address(site, results.board.suite, one),
        "rows": f"{rows:,} training rows" if rows else "",
        "told": told or f"none of {len(verdicts)} methods is told apart from separate models",
    }
