"""Cutting an encoder of Hugging Face's transformers into stages: a row of equal blocks between embedding and norm.

The model's own forward pass makes what its blocks are given beside the hidden states: masks, positions, rotations. The
first stage runs it with its own blocks and notes what the others would have been given; they are given that later. So
no architecture is written down here, and a model whose blocks tell each other more than hidden states is refused.
"""

import inspect
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from bench.errors import UsageError, require_number
from bench.toolbox.named_inputs import hold_named_inputs, pass_on, read_named_inputs, take_over
from bench.toolbox.tracing import cite_error, hold_mode

LENGTH = 8  # tokens of the rows that a cut is tried on


class _EncoderStage(nn.Module):
    """A stage of an encoder."""

    layout = "channels_last"

    def refuse_drawing(self) -> None:
        """Raise UsageError: layers of transformers are drawn by their model, which a stage does not have."""
        raise UsageError(
            "An encoder should start every tower from its weights. Found a method whose towers or experts start "
            "apart; give `stages` as a function that makes fresh ones, `lambda width: cut_encoder(BertModel(config))`."
        )


class Blocks(_EncoderStage):
    """Consecutive blocks of an encoder, from hidden states (n, length, channels) to the same; then its last norm.

    They are given the masks that the first stage has left for them (`take_over`).
    """

    def __init__(self, blocks: Sequence[nn.Module], begin: int, tail: nn.Module | None = None) -> None:
        """`begin`: the number of the first block in the encoder; `tail`: what the encoder runs after the last."""
        super().__init__()
        self.blocks, self.begin, self.tail = nn.ModuleList(blocks), begin, tail

    def forward(self, hidden: Tensor) -> Tensor:
        for number, block in enumerate(self.blocks, start=self.begin):
            args, kwargs = take_over(number)
            hidden = _read_hidden(block(hidden, *args, **kwargs))
        return hidden if self.tail is None else cast(Tensor, self.tail(hidden))


class FirstBlocks(_EncoderStage):
    """The embedding and the first blocks of an encoder: from named inputs to hidden states (n, length, channels)."""

    def __init__(self, model: nn.Module) -> None:
        """`model`: with `_Later` in place of the other blocks."""
        super().__init__()
        self.model = model
        parameters = inspect.signature(model.forward).parameters.values()
        self.known = [each.name for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD]
        self.switches = {"use_cache": False} if "use_cache" in self.known else {}

    def forward(self, inputs: Mapping[str, Any]) -> Tensor:
        if not isinstance(inputs, Mapping):
            raise UsageError(
                "Rows of an encoder should be named, as `{'input_ids': ids, 'attention_mask': mask}`. Found a "
                f"{type(inputs).__name__}."
            )
        unknown = [name for name in inputs if name not in self.known]
        if unknown:
            raise UsageError(
                f"Inputs should be among {', '.join(f'`{name}`' for name in self.known)}. Found `{unknown[0]}`; leave "
                "it out of what the network is given."
            )
        self.model(**{**inputs, **self.switches})
        return cast(Tensor, take_over("hidden"))


class _Later(nn.Module):
    """In the first stage, in place of a block of a later one: notes what it is given."""

    def __init__(self, block: nn.Module, number: int, answers: int | None, first: bool) -> None:
        """`answers`: how many values the block returns; None for the hidden states by themselves."""
        super().__init__()
        # What models ask a block before they call it, as `attention_type`.
        self.__dict__.update({name: value for name, value in vars(block).items() if isinstance(value, str | int)})
        self.number, self.answers, self.first = number, answers, first

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
        pass_on(self.number, (args, kwargs))
        if self.first:
            pass_on("hidden", hidden)
        return hidden if self.answers is None else (hidden, *[None] * (self.answers - 1))


class _Idle(nn.Module):
    """In the first stage, in place of a layer that runs behind the blocks, or not at all: returns what it is given."""

    def forward(self, x: Any, *_: Any, **__: Any) -> Any:
        return x


def cut_encoder(model: nn.Module, stages: int = 4, example: Mapping[str, Any] | None = None) -> nn.ModuleList:
    """The stages of an encoder of transformers: run in order they give its `last_hidden_state`, exactly.

        net = share(cut_encoder(BertModel(config)), heads, "cross_stitch", example=batch)
        predictions = net({"input_ids": ids, "attention_mask": mask})

    The first stage has the embedding, the last the final norm; blocks are divided evenly, later stages having one more.
    The layers are the model's own, not copies. A pooler and a head on top are left out: heads get hidden states
    (n, length, channels), and read the mask by `read_named_inputs`. Decoders that read from left to right can be cut,
    too, and run without a cache.

    Args:
        model: any of transformers with one row of blocks, also with a head on top, or with adapters of PEFT in it.
        stages: how many, from 2 to the number of blocks.
        example: a batch that the cut is tried on, where the model takes other inputs than tokens or images.

    Returns:
        Stages in order, which say `layout = "channels_last"`.

    Raises:
        UsageError: it has no such row of blocks, or its blocks need more than hidden states and masks.
    """
    base = _find_base(model)
    path, blocks = _find_blocks(base)
    require_number("stages", stages, whole=True)
    if not 2 <= stages <= len(blocks):
        raise UsageError(
            f"`stages` should lie in [2, {len(blocks)}], the blocks of `{type(base).__name__}`. Found "
            f"`stages = {stages}`."
        )
    rows = dict(_make_example(base) if example is None else example)
    tail, answers, idle, expected = _watch(base, blocks, rows)
    ends = [number * len(blocks) // stages for number in range(stages + 1)]
    later = [_Later(blocks[number], number, answers, number == ends[1]) for number in range(ends[1], len(blocks))]
    frame = _replace(base, {path: nn.ModuleList([*blocks[: ends[1]], *later]), **{name: _Idle() for name in idle}})
    parts: list[nn.Module] = [FirstBlocks(frame)]
    for begin, end in itertools.pairwise(ends[1:]):
        parts.append(Blocks(blocks[begin:end], begin, tail if end == len(blocks) else None))
    _verify(base, parts, rows, expected)
    return nn.ModuleList(parts)


def _find_base(model: nn.Module) -> nn.Module:
    """The body of a model, without a head on top and without a wrapper of PEFT, whose adapters stay in the layers."""
    if hasattr(model, "peft_config") and hasattr(model, "get_base_model"):
        if any(config.is_prompt_learning for config in model.peft_config.values()):  # type: ignore[operator,union-attr]
            raise UsageError(
                "Adapters should lie in the layers of a model to be cut with it. Found prompts that PEFT puts before "
                "its tokens; take LoRA, or another method of PEFT that changes layers."
            )
        model = model.get_base_model()  # type: ignore[operator]
    base = getattr(model, "base_model", model)
    if not isinstance(base, nn.Module) or not hasattr(base, "config"):
        raise UsageError(
            f"`model` should be one of transformers, with a `config`. Found a `{type(model).__name__}`; take "
            "`mtlbench.cut` for networks of layers."
        )
    if getattr(base.config, "is_encoder_decoder", False) and hasattr(base, "decoder"):
        raise UsageError(
            f"`model` should be an encoder. Found `{type(base).__name__}`, with a decoder behind it; give "
            "`model.get_encoder()`."
        )
    dropped = getattr(base.config, "layerdrop", 0)
    if dropped:
        raise UsageError(
            f"`{type(base).__name__}` should run all of its blocks. Found `layerdrop = {dropped}`, which "
            "leaves some out by chance; set it to 0 in the config."
        )
    return base


def _find_blocks(base: nn.Module) -> tuple[str, list[nn.Module]]:
    """Name and blocks of the outermost list of two modules or more that has most of the weights."""
    rows = {
        name: list(module)
        for name, module in base.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) > 1 and len({type(block) for block in module}) == 1
    }
    if not rows:
        raise UsageError(
            f"An encoder should have a row of two blocks or more to be cut. Found none in `{type(base).__name__}`; "
            "take one whose blocks have weights of their own."
        )
    name = max(rows, key=lambda name: sum(p.numel() for block in rows[name] for p in block.parameters()))
    return name, rows[name]


def _make_example(base: nn.Module) -> dict[str, Tensor]:
    """Two rows of tokens, the second padded, or of images."""
    config: Any = base.config
    name = getattr(base, "main_input_name", "input_ids")
    like = next(p for p in base.parameters() if p.is_floating_point())
    if name == "input_ids":
        mask = torch.ones(2, LENGTH, dtype=torch.long, device=like.device)
        mask[1, LENGTH // 2 :] = 0
        ids = torch.arange(2 * LENGTH, device=like.device).reshape(2, LENGTH) % config.vocab_size
        return {"input_ids": ids, "attention_mask": mask}
    size = getattr(config, "image_size", None)
    if name == "pixel_values" and size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        count = 2 * config.num_channels * height * width
        numbers = torch.linspace(-1, 1, count, device=like.device, dtype=like.dtype)
        return {name: numbers.reshape(2, config.num_channels, height, width)}
    raise UsageError(
        f"`example` should be given for `{type(base).__name__}`, which takes `{name}`; add `example={{...}}`, a batch."
    )


def _watch(
    base: nn.Module, blocks: Sequence[nn.Module], rows: Mapping[str, Any]
) -> tuple[nn.Module | None, int | None, list[str], Tensor]:
    """Run the model once, and see what it does behind its blocks.

    Returns:
        The layer between the last block and the result, or None; how many values a block returns, None for one that
        is no tuple; names of the layers that the first stage does not need; the result.
    """
    names = {module: name for name, module in base.named_modules()}
    inside = {part for block in blocks for part in block.modules()}
    above = {names[blocks[0]].rpartition(".")[0]}  # the lists and models that the blocks lie in
    while above and "" not in above:
        above |= {min(above, key=len).rpartition(".")[0]}
    seen: dict[str, Any] = {}
    before: set[nn.Module] = set()
    behind: list[tuple[nn.Module, Any, Tensor]] = []

    def note(module: nn.Module, args: tuple[Any, ...], result: Any) -> None:
        if module is blocks[-1]:
            seen["answer"] = result
        elif module not in inside and names[module] not in above:
            if "answer" in seen and isinstance(result, Tensor):
                behind.append((module, args[0] if args else None, result))
            elif "answer" in seen:
                return
            else:
                before.add(module)

    hooks = [module.register_forward_hook(note) for module in base.modules()]
    try:
        with hold_mode(base), torch.no_grad():
            result = _read_hidden(base(**rows))
    except Exception as error:
        raise UsageError(
            f"`{type(base).__name__}` should take {', '.join(f'`{name}`' for name in rows)}. Found "
            f"{cite_error(error)}; give an `example`, a batch as it is called with."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    last = _read_hidden(seen["answer"])
    if result.dim() != 3:
        raise _refuse(base, f"a result of {result.dim()} axes, which `mtlbench.cut` may take")
    tails = [module for module, given, made in behind if given is last and made.data_ptr() == result.data_ptr()]
    if result is not last and not tails:
        raise _refuse(base, "more than one layer between the last block and the result")
    kept = before | {part for module in before for part in module.modules()}
    held = {id(module) for module in (*kept, *inside)}
    idle = [
        name
        for module, name in names.items()
        if id(module) not in held and name not in above and not any(id(part) in held for part in module.modules())
    ]
    idle = [name for name in idle if name.rpartition(".")[0] not in idle]  # the outermost
    answers = len(seen["answer"]) if isinstance(seen["answer"], tuple) else None
    return (None if result is last else tails[0]), answers, idle, result


def _replace(module: nn.Module, new: Mapping[str, nn.Module], prefix: str = "") -> nn.Module:
    """A shallow copy of a module with others under some names; whatever is not on the way to them is its own."""
    copied = module.__class__.__new__(module.__class__)
    copied.__dict__ = module.__dict__.copy()
    copied._modules = dict(module._modules)
    for name, child in module._modules.items():
        full = f"{prefix}{name}"
        if full in new:
            copied._modules[name] = new[full]
        elif child is not None and any(each.startswith(f"{full}.") for each in new):
            copied._modules[name] = _replace(child, new, f"{full}.")
    return copied


def _verify(base: nn.Module, parts: Sequence[nn.Module], rows: Mapping[str, Any], expected: Tensor) -> None:
    """Run the stages on the same rows. Raises UsageError where they give something else, or pass on what is learned."""
    if expected.is_meta:
        return  # there are no numbers
    with hold_mode(base), hold_mode(nn.ModuleList(parts)), hold_named_inputs(rows):
        try:
            x: Any = read_named_inputs()
            for part in parts:
                x = part(x)
        except UsageError:
            raise
        except Exception as error:
            raise _refuse(base, f"blocks that need more than that ({cite_error(error)})") from error
        given = [take_over(number) for part in parts[1:] for number in _numbers(part)]
    learned = [value for args, kwargs in given for value in (*args, *kwargs.values()) if _is_learned(value)]
    if learned:
        raise _refuse(base, "a tensor that is learned, and that all blocks are given")
    if not torch.equal(x, expected):
        raise _refuse(base, "stages that do not give what it gives")


def _numbers(part: nn.Module) -> range:
    """The numbers of the blocks of a stage."""
    assert isinstance(part, Blocks)
    return range(part.begin, part.begin + len(part.blocks))


def _is_learned(value: Any) -> bool:
    """Whether an argument of a block has a gradient, by itself or inside."""
    if isinstance(value, tuple | list):
        return any(map(_is_learned, value))
    return isinstance(value, Tensor) and value.requires_grad


def _read_hidden(answer: Any) -> Tensor:
    """The hidden states in what a model or a block returns."""
    if isinstance(answer, Tensor):
        return answer
    if hasattr(answer, "last_hidden_state"):
        return cast(Tensor, answer.last_hidden_state)
    return cast(Tensor, answer[0])


def _refuse(base: nn.Module, reason: str) -> UsageError:
    """The one sentence on an encoder that cannot be cut, to be raised."""
    return UsageError(
        f"An encoder should be a row of blocks that pass on hidden states and are given masks, `{type(base).__name__}` "
        f"too. Found {reason}; take another encoder, or write its stages as modules."
    )
