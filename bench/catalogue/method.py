"""A method: sharing + constraint @ weighting, resolved against the registry.

Planning and training build methods through here; which combinations make no sense is decided here too.
"""

from dataclasses import dataclass

from bench.catalogue.registry import Choice, choose, list_entries
from bench.core.self_fitting import SelfFitting
from bench.core.sharing import Blueprint, Sharing, learning_copies
from bench.core.suite import Suite, withhold_data
from bench.errors import UsageError
from bench.records import (
    METHOD_PARTS,
    UNWEIGHTED,
    Call,
    MethodText,
    Protocol,
    complete_method,
    parse_call,
    parse_method,
)

DEFAULT_WEIGHTING = Call(UNWEIGHTED)


@dataclass(frozen=True)
class Method:
    """The three parts of a method, each with its options decided.

    constraint: None for sharings that need none.
    weighting: `uniform` where none was written.
    """

    sharing: Choice
    constraint: Choice | None
    weighting: Choice

    @classmethod
    def parse(cls, text: str) -> "Method":
        """Resolve a method as written on the command line.

        Raises:
            UsageError: malformed text, an unknown name or option, a part in the place of another kind, or a
                sharing that needs a constraint and has none. One sentence, with the nearest valid text.
        """
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

    @classmethod
    def complete(cls, part: Choice) -> "Method":
        """The method that a lone part stands for, as `complete_method` says; the part need not be registered."""
        kind = part.entry.kind
        text = complete_method(kind, Call(part.entry.name))
        return cls(
            part if kind == "sharing" else choose("sharing", text.sharing),
            part if kind == "constraint" else None,
            part if kind == "weighting" else choose("weighting", DEFAULT_WEIGHTING),
        )

    @property
    def parts(self) -> list[Choice]:
        """Sharing, constraint (where there is one), weighting."""
        return [part for part in (self.sharing, self.constraint, self.weighting) if part]

    @property
    def fits_itself(self) -> bool:
        """Whether its sharing is fitted to all rows at once by its own inference, and not by updates."""
        return issubclass(self.sharing.entry.cls, SelfFitting)

    def is_full_batch(self, protocol: Protocol) -> bool:
        """Whether its runs see all rows at once: by a solver where the protocol asks for one, or as it fits itself."""
        return self.fits_itself or protocol.fit == "solver"

    @property
    def canonical(self) -> str:
        """The full text: every option of every part, and the weighting. It is what run ids are made of."""
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
        """The sharing on `suite`, with weights drawn from `seed`. No data is read.

        Raises:
            UsageError: an option does not fit the suite, the sharing does not support it, or constraint or
                weighting would have nothing to act on.
        """
        return self.build_from(Blueprint(withhold_data(suite), seed))

    def build_from(self, blueprint: Blueprint) -> Sharing:
        """As `build_sharing`, of stages that come from a blueprint of one's own."""
        sharing: Sharing = self.sharing.build(blueprint)
        reason = sharing.supports(blueprint.suite)
        if reason:
            raise UsageError(f"`{self.sharing.short}` {reason}")
        if sharing.separate and self.constraint:
            raise UsageError(
                f"`{self.sharing.short}` trains separate models that nothing holds together; "
                f"use `{complete_method('constraint', parse_call(self.constraint.short))}`."
            )
        if sharing.separate and self.weighting.short != str(DEFAULT_WEIGHTING):
            raise UsageError(
                f"`{self.sharing.short}` trains separate models, whose weights are 1; "
                f"leave out `@{self.weighting.short}`."
            )
        if sharing.needs_constraint and self.weighting.entry.cls.needs_gramian:  # type: ignore[attr-defined]
            raise UsageError(
                f"`{self.sharing.short}` has no parameters that two tasks share, which `{self.weighting.short}` "
                f"works on; try `{complete_method('weighting', parse_call(self.weighting.short))}`."
            )
        if self.constraint and not learning_copies(sharing):
            frozen = " that learn, as all of them are frozen," if sharing.coupled() else ""
            raise UsageError(
                f"`{self.sharing.short}` has no copies of a parameter{frozen} for `{self.constraint.short}` to hold "
                "together."
            )
        return sharing


_SIGNS = {"sharing": "first", "constraint": "behind `+`", "weighting": "behind `@`"}


def _check_places(text: str, parts: MethodText) -> None:
    """Raise UsageError with the right form where a part stands in the place of another kind.

    text: the method as written, for the sentence.
    parts: what `parse_method` read in it.
    """
    for place in METHOD_PARTS:
        call = getattr(parts, place)
        if call is None or call.name in list_entries(place):
            continue
        kind = next((kind for kind in METHOD_PARTS if call.name in list_entries(kind)), None)
        if kind is None or (kind != "sharing" and getattr(parts, kind)):
            return  # a name that nobody knows, or two of a kind
        own = parts.sharing if parts.sharing.name in list_entries("sharing") else None
        right = complete_method(kind, call, own if kind == "weighting" else None)
        raise UsageError(f"`{call.name}` is a {kind}, which stands {_SIGNS[kind]}, as in `{right}`. Found `{text}`.")
