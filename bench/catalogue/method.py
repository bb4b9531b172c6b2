"""A method: sharing + constraint @ weighting, resolved against the registry."""

from dataclasses import dataclass

from bench.catalogue.registry import Choice, choose, entries
from bench.core.sharing import Blueprint, Sharing, learning_copies
from bench.core.suite import Suite, without_data
from bench.errors import UsageError
from bench.records import UNWEIGHTED, Call, MethodText, parse_method

DEFAULT_WEIGHTING = Call(UNWEIGHTED)
BASE_OF_WEIGHTINGS = "hard"  # the sharing that weightings are compared on


@dataclass(frozen=True)
class Method:
    """The three parts of a method, each with its options decided."""

    sharing: Choice
    constraint: Choice | None
    weighting: Choice

    @classmethod
    def parse(cls, text: str) -> "Method":
        """Resolve a method as written on the command line. Raises UsageError with one sentence."""
        parts = parse_method(text)
        _check_places(text, parts)
        method = cls(
            choose("sharing", parts.sharing),
            choose("constraint", parts.constraint) if parts.constraint else None,
            choose("weighting", parts.weighting or DEFAULT_WEIGHTING),
        )
        if method.constraint is None and method.sharing.entry.cls.needs_constraint:  # type: ignore[attr-defined]
            raise UsageError(f"`{text}` needs a constraint to hold its towers together, as in `{text}+l2`.")
        return method

    @property
    def parts(self) -> list[Choice]:
        """Sharing, constraint (where there is one), weighting."""
        return [part for part in (self.sharing, self.constraint, self.weighting) if part]

    @property
    def canonical(self) -> str:
        """The full text: every option of every part."""
        constraint = f"+{self.constraint.canonical}" if self.constraint else ""
        return f"{self.sharing.canonical}{constraint}@{self.weighting.canonical}"

    @property
    def short(self) -> str:
        """The text that tables use: defaults dropped."""
        constraint = f"+{self.constraint.short}" if self.constraint else ""
        weighting = "" if self.weighting.short == str(DEFAULT_WEIGHTING) else f"@{self.weighting.short}"
        return f"{self.sharing.short}{constraint}{weighting}"

    @property
    def versions(self) -> dict[str, int]:
        """Version of every part, by `kind/name`."""
        return {part.entry.part: part.entry.version for part in self.parts}

    @property
    def code(self) -> dict[str, str]:
        """SHA-256 of the source of every part that does not come with the project, by `kind/name`."""
        return {part.entry.part: part.entry.code for part in self.parts if part.entry.code}

    def build_sharing(self, suite: Suite, seed: int) -> Sharing:
        """The sharing on `suite`. Raises UsageError where an option does not fit or the combination makes no sense."""
        suite = without_data(suite)
        sharing: Sharing = self.sharing.build(Blueprint(suite, seed))
        reason = sharing.supports(suite)
        if reason:
            raise UsageError(f"`{self.sharing.short}` {reason}")
        if sharing.separate and self.constraint:
            raise UsageError(
                f"`{self.sharing.short}` trains separate models that nothing holds together; "
                f"use `soft+{self.constraint.short}`."
            )
        if sharing.separate and self.weighting.short != str(DEFAULT_WEIGHTING):
            raise UsageError(
                f"`{self.sharing.short}` trains separate models, whose weights are 1; "
                f"leave out `@{self.weighting.short}`."
            )
        if sharing.needs_constraint and self.weighting.entry.cls.needs_gramian:  # type: ignore[attr-defined]
            raise UsageError(
                f"`{self.sharing.short}` has no parameters that two tasks share, which `{self.weighting.short}` "
                f"works on; try `hard@{self.weighting.short}`."
            )
        if self.constraint and not learning_copies(sharing):
            frozen = " that learn, as all of them are frozen," if sharing.coupled() else ""
            raise UsageError(
                f"`{self.sharing.short}` has no copies of a parameter{frozen} for `{self.constraint.short}` to hold "
                "together."
            )
        return sharing


def _check_places(text: str, parts: MethodText) -> None:
    """Raise UsageError with the right form where a part stands in the place of another kind."""
    kinds = ("sharing", "constraint", "weighting")
    for place in kinds:
        call = getattr(parts, place)
        if call is None or call.name in entries(place):
            continue
        kind = next((kind for kind in kinds if call.name in entries(kind)), None)
        if kind is None or (kind != "sharing" and getattr(parts, kind)):
            return  # a name that nobody knows, or two of a kind
        own = parts.sharing if parts.sharing.name in entries("sharing") else None
        if kind == "sharing":
            right, sign = str(call), "first"
        elif kind == "weighting":
            right, sign = f"{own or BASE_OF_WEIGHTINGS}@{call}", "behind `@`"
        else:
            held = next(name for name, entry in entries("sharing").items() if entry.cls.needs_constraint)  # type: ignore[attr-defined]
            right, sign = f"{held}+{call}", "behind `+`"
        raise UsageError(f"`{call.name}` is a {kind}, which stands {sign}, as in `{right}`. Found `{text}`.")
