"""The answer in three to six plain sentences, and the small phrases that tables share."""

import math
from collections.abc import Sequence

from bench.errors import count_nouns
from bench.records.values import GridEnd
from leaderboard.ask.answer import Findings
from leaderboard.ask.power import Needed
from leaderboard.ask.relations import VerdictWord
from leaderboard.ask.verdicts import RelationVerdict
from leaderboard.report.percent import write_change

ENDINGS = {
    "decided": "Everything is decided; more runs would change nothing.",
    "seeds": "Seeds were added, up to the last look, wherever they might still decide something.",
    "budget": "The budget was spent before everything was decided; a larger `--budget` goes on from here.",
    "interrupted": "It was interrupted; the same command goes on from here.",
}
MOST_ROWS = 1000  # times the rows that there are: more is no advice
MOST_NAMED = 4  # tasks in a sentence


def write_needed(needed: Needed | None) -> str:
    """What it would take to decide, in a few words; empty where nothing is known."""
    if needed is None:
        return ""
    what = "a difference" if needed.to_show == "difference" else "sameness"
    if needed.seeds is not None:
        return f"about {count_nouns(needed.seeds, 'seed')} would show {what}"
    if needed.rows > MOST_ROWS:
        return "no number of seeds or rows would show anything"
    return f"about {needed.rows:.0f} times the rows would show {what}, no number of seeds"


def write_answer(answer: Findings) -> list[str]:
    """The sentences that stand first: whom it helps, why, which pairs, what is open, whether rates fit, what to do."""
    parts = (_say_whom, _say_why, _say_pairs, _say_open, _say_edge, _say_what_to_do)
    return [sentence for say in parts if (sentence := say(answer))]


def _say_whom(answer: Findings) -> str:
    """Who is helped and who is hurt by the method that does best for it."""
    if not any(each.alone.n for each in answer.judged):
        first = answer.rules.looks.seeds[0]
        return (
            f"There is no answer yet: no task was learnt alone and together, of {count_nouns(first, 'seed')} at "
            f"the first look."
        )
    told: dict[VerdictWord, list[str]] = {"RELATED": [], "HARMFUL": [], "NEUTRAL": [], "UNDECIDED": []}
    helped: list[str] = []
    for main in answer.mains:
        own = [each for each in answer.judged if each.relation.main == main and each.alone.n]
        best = answer.choose_best(main)
        if best:
            helped.append(f"`{main}` (`{best.relation.method}`: {write_change(best.alone)})")
            continue
        verdicts = {each.verdict for each in own}
        # A task has what no method says otherwise of: one that is hurt by all of them is hurt.
        word: VerdictWord = next(iter(verdicts)) if len(verdicts) == 1 else "UNDECIDED"
        told[word].append(f"`{main}`")
    parts = [f"Learning together helps {_join(helped)}"] if helped else []
    parts += [f"hurts {_join(told['HARMFUL'])} under every method that was run"] if told["HARMFUL"] else []
    margin = f"{100 * math.expm1(answer.rules.margin):g} %"
    parts += [f"makes no difference of {margin} for {_join(told['NEUTRAL'])}"] if told["NEUTRAL"] else []
    parts += [f"is not shown to help {_join(told['UNDECIDED'])}"] if told["UNDECIDED"] else []
    text = ", ".join(parts)
    return f"{text if helped else f'Learning together {text}'}."


def _say_why(answer: Findings) -> str:
    """Whether what helps is information, and whether something is harmful though informative."""
    best = [each for main in answer.mains if (each := answer.choose_best(main))]
    related = [f"`{each.relation.main}`" for each in best if each.verdict == "RELATED"]
    others = [each for each in best if each.verdict != "RELATED"]
    parts = []
    if related:
        parts.append(
            f"For {_join(related)} it is what the other labels say that helps: with shuffled labels it is less"
        )
    for reading in dict.fromkeys(each.reading for each in others):
        names = _join([f"`{each.relation.main}`" for each in others if each.reading == reading])
        parts.append(f"for {names} it {reading}")
    hurt = [each for each in answer.judged if each.verdict == "HARMFUL"]
    if not parts and hurt:
        worst = min(hurt, key=lambda each: each.alone.mean)
        more = f" ({worst.reading})" if worst.reading else ""
        parts.append(
            f"`{worst.relation.method}` does worst, for `{worst.relation.main}`: {write_change(worst.alone)}{more}"
        )
    return _capitalise("; ".join(parts)) + "." if parts else ""


def _say_pairs(answer: Findings) -> str:
    """What the pairs say, and which tasks they would group."""
    ran = [each for each in answer.pairs if each.alone.n]
    if not ran:
        return ""
    counts = {
        word: sum(each.verdict == word for each in ran) for word in ("RELATED", "HARMFUL", "NEUTRAL", "UNDECIDED")
    }
    text = f"Of {len(ran)} ordered pairs {_join([f'{count} are {word}' for word, count in counts.items() if count])}"
    related = [each for each in ran if each.verdict == "RELATED"]
    if related:
        most = max(related, key=lambda each: each.alone.mean)
        text += f"; most of all `{most.relation.extras[0]}` helps `{most.relation.main}`, {write_change(most.alone)}"
    if answer.grouping and answer.grouping.gain > 0:
        groups = " | ".join(" + ".join(group) for group in answer.grouping.groups)
        text += f"; as foretold from pairs, tasks go together as {groups}"
    return f"{text}."


def _say_open(answer: Findings) -> str:
    """What is undecided, and what would decide it."""
    undecided = [each for each in answer.judged if each.verdict == "UNDECIDED" and each.alone.n]
    if not undecided:
        return ""
    known = [needed for each in undecided if (needed := answer.needed.get(each.relation))]
    counts = sorted(needed.seeds for needed in known if needed.seeds is not None)
    more = ""
    if counts:
        more = (
            f"; the first of them would take about {count_nouns(counts[0], 'seed')}, half of them "
            f"{counts[len(counts) // 2]}"
        )
    elif known:
        more = "; no number of seeds would decide them, only more rows"
    ran = sum(each.alone.n > 0 for each in answer.judged)
    waiting = f", {len(answer.judged) - ran} more were not run" if ran < len(answer.judged) else ""
    return f"{len(undecided)} of {ran} verdicts are undecided{waiting}{more}."


def _say_edge(answer: Findings) -> str:
    """Where the best learning rate is still the last one that was tried, so that a better one may lie beyond."""
    methods: dict[tuple[GridEnd, float], list[str]] = {}
    for method, end, rate in answer.edges:
        methods.setdefault((end, rate), []).append(f"`{method}`")
    words: dict[GridEnd, str] = {"low": "smallest", "high": "largest"}
    told = [f"the {words[end]} one, {rate:g}, of {_join(names)}" for (end, rate), names in methods.items()]
    if not told:
        return ""
    return (
        f"On validation the learning rate that does best for some task is still the last one tried, {_join(told)}; a "
        "better one may lie beyond."
    )


def _say_what_to_do(answer: Findings) -> str:
    """The recommended method and how the search ended."""
    ending = ENDINGS.get(answer.ended, "")
    if not any(each.alone.n for each in answer.judged):
        return ending
    return f"What to run: `{answer.recommended_command}`. {ending}".strip()


def _join(names: Sequence[str]) -> str:
    """Names in a sentence; of many the first ones and how many more there are."""
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _capitalise(text: str) -> str:
    """With a capital first letter, the others as they are."""
    return text[:1].upper() + text[1:]


def explain_verdict(judged: RelationVerdict, needed: Needed | None) -> str:
    """What stands beside a verdict: what both contrasts say, and what it would take where it is open."""
    return "; ".join(text for text in (judged.reading, write_needed(needed)) if text)
