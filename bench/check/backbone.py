"""The contract of a Backbone: rules on the stages that it makes for rows of the kinds that data sets have."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from bench.catalogue.registry import Entry
from bench.check.options import documented, is_sentence, list_defaults, list_forms, options
from bench.check.outcome import Broken, RuleOutcome, Skipped, attempt, expect, run_rules
from bench.core.backbone import Backbone, InputForm
from bench.core.fresh import prepare_stages
from bench.core.modules import Modules
from bench.core.suite import Stage
from bench.errors import UsageError

# Rows of numbers, with categories behind them, and small images; a backbone may refuse all but one.
FORMS = (InputForm((6,)), InputForm((6,), (3, 2)), InputForm((1, 16, 16)), InputForm((3, 32, 48)))
LARGE = InputForm((3, 224, 224))  # of most published networks; for those that take nothing smaller
ROWS = 2
WIDER = 1.5


@dataclass
class BackboneCase:
    """A registered backbone, and what it makes of the rows that it takes."""

    entry: Entry

    def build(self, values: dict[str, Any] | None = None) -> Backbone:
        """The backbone with all options at their defaults, or with `values`."""
        backbone: Backbone = self.entry.build(**(list_defaults(self.entry) if values is None else values))
        return backbone

    @cached_property
    def taken(self) -> list[InputForm]:
        """The forms of rows that it does not refuse; refusals have to be sentences."""
        taken: list[InputForm] = []
        for form in (*FORMS, LARGE):
            if form is LARGE and taken:
                break
            with attempt(f"Making stages for rows of the shape {form.shape}"):
                try:
                    self.build().make_stages(form)
                except UsageError as error:
                    expect(is_sentence(str(error)), f"A refusal should be one sentence. Found {str(error)!r}.")
                    continue
            taken.append(form)
        if not taken:
            raise Broken(
                f"A backbone should take rows of one of the shapes {[form.shape for form in (*FORMS, LARGE)]}. Found "
                "that it refuses all of them; make its stages from `inputs.shape`."
            )
        return taken

    def make(self, form: InputForm, width: float = 1.0) -> Modules[Stage]:
        """Its stages for such rows, as methods get them."""
        torch.manual_seed(0)
        return prepare_stages(self.build().make_stages(form, width), form.shape)


def builds(case: BackboneCase) -> None:
    """Every choice of an option that names its choices constructs; rows are taken, or refused with a sentence."""
    for text, values in list_forms(case.entry):
        with attempt(f"Constructing `{text}`"):
            case.build(values)
    assert case.taken


def output_shapes(case: BackboneCase) -> None:
    """Every stage answers in its `output_shape`, and leaves its input as it was.

    Heads and couplings are built from these shapes; methods also read the input of a stage.
    """
    for form in case.taken:
        x = _draw_rows(form)
        stages = case.make(form).eval()
        expect(len(stages) > 0, "A backbone should have at least one stage. Found none.")
        for number, stage in enumerate(stages):
            before = x.clone()
            with attempt(f"Stage {number} for rows of the shape {form.shape}"), torch.no_grad():
                result = stage(x)
            expect(
                torch.equal(before, x),
                f"Stage {number} should leave its input as it is. Found other numbers in it; let no layer work in "
                "place.",
            )
            x = result
            expect(
                tuple(x.shape[1:]) == getattr(stage, "output_shape", None),
                f"`output_shape` of stage {number} should be what it returns, {tuple(x.shape[1:])} for rows of the "
                f"shape {form.shape}. Found {getattr(stage, 'output_shape', None)}; correct it.",
            )


def scales(case: BackboneCase) -> None:
    """A wider one has more parameters in as many stages, where `scalable` says so; else it is refused."""
    form = case.taken[0]
    if not case.entry.cls.scalable:  # type: ignore[attr-defined]
        with attempt(f"Asking for the width {WIDER:g}"):
            try:
                case.make(form, WIDER)
            except UsageError as error:
                raise Skipped(f"it has no width, and says so: {error}") from error
        raise Broken("A backbone with `scalable = False` should refuse a width. Found none; call `refuse_width`.")
    plain, wide = case.make(form), case.make(form, WIDER)
    fewer, more = (sum(p.numel() for p in stages.parameters()) for stages in (plain, wide))
    expect(
        len(plain) == len(wide) and more > fewer,
        f"Width {WIDER:g} should give more parameters in as many stages. Found {more} and {fewer}; multiply the "
        "channels by `width`, as `scale_channels` does, or set `scalable = False`.",
    )


def same_seed_same_numbers(case: BackboneCase) -> None:
    """Weights come from torch's generator alone, and are fresh each time."""
    form = case.taken[0]
    first, second = case.make(form), case.make(form)
    expect(
        all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)),
        "The same seed should give the same weights. Found others; draw them from torch's generator only.",
    )
    shared = {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}
    expect(not shared, "Every call should make fresh parameters. Found some in two of them.")


def learns(case: BackboneCase) -> None:
    """Every parameter of the stages gets a gradient."""
    for form in case.taken:
        stages = case.make(form)
        x = _draw_rows(form)
        with attempt(f"Training on rows of the shape {form.shape}"):
            for stage in stages:
                x = stage(x)
            (x * torch.linspace(1, 2, x.numel()).reshape(x.shape)).sum().backward()  # type: ignore[no-untyped-call]
        idle = [name for name, p in stages.named_parameters() if p.requires_grad and p.grad is None]
        expect(not idle, f"All parameters should learn. Found no gradient for {idle[:5]}; use or remove them.")


def _draw_rows(form: InputForm) -> torch.Tensor:
    """Rows of such a form: numbers, and codes of categories in the last columns."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(ROWS, *form.shape, generator=generator)
    for column, card in enumerate(form.cards, form.size - len(form.cards)):
        rows[:, column] = torch.randint(card, (ROWS,), generator=generator)
    return rows


RULES = (documented, options, builds, output_shapes, scales, same_seed_same_numbers, learns)


def check(entry: Entry) -> Iterator[RuleOutcome]:
    """Every rule on one backbone."""
    return run_rules(f"backbone/{entry.name}", BackboneCase(entry), RULES, {builds, output_shapes})
