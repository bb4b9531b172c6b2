"""The page of claims: sentences that were written down before their runs, each with its verdict and its runs."""

from bench.records import ResultRecord
from leaderboard.claims import ClaimList, JudgedClaim
from leaderboard.report.claims import describe_comparison, word_verdict, write_gain
from leaderboard.report.escape import code_parts, printable
from leaderboard.report.percent import write_change
from leaderboard.site.context import Context


def render_claims_page(site: Context) -> bytes:
    """Render the page with one section for each list of claims of which something was run.

    A claim's name is its anchor; the runs that decide it are linked, seed by seed.
    """
    runs = {run.run_id: run for run in site.runs}
    return site.page("claims.html", "", sections=[_describe_list(site, *each, runs) for each in site.claims])


def _describe_list(
    site: Context, claims: ClaimList, judged: list[JudgedClaim], runs: dict[str, ResultRecord]
) -> dict[str, object]:
    """A list of claims as values of the template."""
    described = [_describe_claim(site, each, runs) for each in judged]
    return {
        "title": printable(claims.title),
        "source": printable(claims.source),
        "run": sum(each.verdict != "not run" for each in judged),
        "held": sum(each.verdict == "as stated" for each in judged),
        "claims": described,
        "waiting": [each for each in described if not each["run"]],
    }


def _describe_claim(site: Context, each: JudgedClaim, runs: dict[str, ResultRecord]) -> dict[str, object]:
    """A claim as values of the template."""
    return {
        "name": each.claim.name,
        "anchor": each.claim.name.replace(" ", "-"),
        "section": each.claim.section,
        "text": each.claim.text,
        "run": each.verdict != "not run",
        "verdict": word_verdict(each),
        "gain": write_gain(each) if each.claim.blocks or not each.estimate else write_change(each.estimate),
        "seeds": each.estimate.n if each.estimate else 0,
        "compared": code_parts(describe_comparison(each.claim)),
        "suite": site.addresses.suite(each.claim.suite),
        "runs": [(f"{runs[i].method}, seed {runs[i].spec.seed}", site.addresses.run(runs[i])) for i in each.run_ids],
    }
