"""Encoders of transformers, cut into stages: what comes out is what the model gives, digit for digit."""

import copy
from typing import Any

import pytest
import torch
import transformers as hf
from torch import Tensor, nn

from bench.errors import UsageError
from bench.toolbox.cut_encoder import cut_encoder
from bench.toolbox.named_inputs import hold_named_inputs
from tests.bench.toolbox.encoders import DECODERS, IMAGES, SMALL, TEXT, VISION, make_batch, make_encoder


def run(stages: nn.ModuleList, batch: dict[str, Tensor]) -> Tensor:
    x: Any = batch
    with hold_named_inputs(batch):
        for stage in stages:
            x = stage(x)
    assert isinstance(x, Tensor)
    return x


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("name", [*TEXT, *DECODERS, *VISION])
def test_stages_in_order_give_what_the_model_gives(name: str, count: int) -> None:
    model = make_encoder(name).eval()
    stages = cut_encoder(model, count)
    assert len(stages) == count
    batch = make_batch(name)
    assert torch.equal(run(stages, batch), model(**batch).last_hidden_state)
    plain = {key: value for key, value in batch.items() if key != "attention_mask"}
    assert torch.equal(run(stages, plain), model(**plain).last_hidden_state)


@pytest.mark.parametrize("name", ["bert", "gpt2", "vit"])
def test_dropout_is_drawn_as_in_the_model(name: str) -> None:
    """In training, from the same state of the generator: no layer is run twice, or in another order."""
    model = make_encoder(name).train()
    stages, batch = cut_encoder(model, 3), make_batch(name)
    torch.manual_seed(3)
    mine, drawn = run(stages, batch), torch.get_rng_state()
    torch.manual_seed(3)
    theirs = model(**batch).last_hidden_state
    assert torch.equal(drawn, torch.get_rng_state())
    # Another draw would differ by about 1; a decoder's cache lays keys out otherwise, which moves the last digits.
    assert torch.allclose(mine, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [*TEXT, "gpt2", "llama"])
def test_padded_positions_change_nothing(name: str) -> None:
    stages, batch = cut_encoder(make_encoder(name).eval(), 3), make_batch(name)
    there = batch["attention_mask"].bool()
    other = batch | {"input_ids": torch.where(there, batch["input_ids"], 7)}
    assert not torch.equal(other["input_ids"], batch["input_ids"])
    assert torch.equal(run(stages, batch)[there], run(stages, other)[there])
    # Without the mask they do, so that the mask it is which keeps them out. A decoder never looks to the right.
    unmasked = [run(stages, {"input_ids": each["input_ids"]})[there] for each in (batch, other)]
    assert torch.equal(*unmasked) == (name in DECODERS)


@pytest.mark.parametrize("name", ["bert", "gpt2", "vit"])
def test_layers_are_the_models_own_and_each_is_in_one_stage(name: str) -> None:
    model = make_encoder(name).eval()
    before = copy.deepcopy(model.state_dict())
    stages = cut_encoder(model, 3)
    named = {id(parameter): key for key, parameter in model.named_parameters()}
    of_stages = [[named[id(parameter)] for parameter in stage.parameters()] for stage in stages]
    placed = [key for keys in of_stages for key in keys]
    assert len(placed) == len(set(placed))
    left = set(named.values()) - set(placed)
    assert all(key.startswith("pooler.") for key in left)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    x = make_batch(name)
    gradients = []
    for result in (run(stages, x), model(**x).last_hidden_state):
        model.zero_grad()
        result.square().sum().backward()
        gradients.append([p.grad for p in stages.parameters()])
    for mine, theirs in zip(*gradients, strict=True):
        assert mine is not None
        assert theirs is not None
        assert torch.equal(mine, theirs)


def test_a_head_on_top_is_left_out() -> None:
    torch.manual_seed(0)
    model = hf.BertForSequenceClassification(hf.BertConfig(**SMALL)).eval()
    batch = make_batch("bert")
    assert torch.equal(run(cut_encoder(model, 2), batch), model.bert(**batch).last_hidden_state)


def test_blocks_are_checkpointed_where_the_model_is() -> None:
    """Blocks are run again in the backward pass, where nobody holds the inputs any more; gradients are the same."""
    model, batch = make_encoder("bert").eval(), make_batch("bert")
    runs: list[int] = []
    counted = model.get_submodule("encoder.layer.3.attention")
    counted.register_forward_pre_hook(lambda *_: runs.append(1))
    gradients = []
    for checkpointed in (False, True):
        if checkpointed:
            model.activation_checkpointing_enable()  # type: ignore[operator]
        stages = cut_encoder(model.train(), 3)
        runs.clear()
        model.zero_grad()
        torch.manual_seed(0)  # of dropout, which is drawn once
        run(stages, batch).square().sum().backward()
        gradients.append([p.grad.clone() for p in stages.parameters() if p.grad is not None])
        assert len(runs) == (2 if checkpointed else 1)
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


T5 = {"d_model": 16, "num_layers": 4, "num_heads": 2, "d_ff": 32, "vocab_size": 50, "d_kv": 8}
SPEECH = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SWIN = {"image_size": 32, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 1], "window_size": 2}


@pytest.mark.parametrize(
    ("make", "stages", "sentence"),
    [
        (lambda: make_encoder("bert"), 5, r"`stages` should lie in \[2, 4\], the blocks of `BertModel`. Found"),
        (lambda: make_encoder("bert"), 1, r"`stages` should lie in \[2, 4\]"),
        (lambda: hf.AlbertModel(hf.AlbertConfig(**SMALL, embedding_size=8)), 2, "blocks have weights of their own"),
        (lambda: hf.T5EncoderModel(hf.T5Config(**T5)), 2, "a tensor that is learned, and that all blocks are given"),
        (lambda: hf.MPNetModel(hf.MPNetConfig(**SMALL)), 2, "a tensor that is learned"),
        (lambda: hf.SwinModel(hf.SwinConfig(**SWIN)), 2, "An encoder should be a row of blocks that pass on hidden"),
        (lambda: hf.T5Model(hf.T5Config(**T5)), 2, r"with a decoder behind it; give `model.get_encoder\(\)`"),
        (lambda: hf.ResNetModel(hf.ResNetConfig(hidden_sizes=[8, 8], depths=[1, 1])), 2, "add `example="),
        (lambda: hf.Wav2Vec2Model(hf.Wav2Vec2Config(**SPEECH)), 2, "layerdrop"),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), 2, "`model` should be one of transformers"),
    ],
)
def test_what_cannot_be_cut_is_refused_in_a_sentence(make: Any, stages: int, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        cut_encoder(make(), stages)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        (torch.zeros(2, 4, dtype=torch.long), "Rows of an encoder should be named"),
        ({"input_ids": torch.zeros(2, 4, dtype=torch.long), "labels": torch.zeros(2)}, "Found `labels`; leave it out"),
    ],
)
def test_rows_that_do_not_fit_are_refused_in_a_sentence(batch: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        run(cut_encoder(make_encoder("bert")), batch)


def test_a_stage_by_itself_says_what_it_lacks() -> None:
    stages, hidden = cut_encoder(make_encoder("bert"), 2), torch.zeros(2, 3, 16)
    with pytest.raises(UsageError, match="Found no such pass"):
        stages[1](hidden)
    with (
        hold_named_inputs(make_batch("bert")),
        pytest.raises(UsageError, match="Found one that is run without it"),
    ):
        stages[1](hidden)


def test_images_of_other_inputs_are_tried_on_an_example() -> None:
    config = hf.ViTConfig(**IMAGES)
    config.image_size = [16, 24]
    model = hf.ViTModel(config).eval()
    x = {"pixel_values": torch.randn(2, 3, 16, 24)}
    assert torch.equal(run(cut_encoder(model, 2), x), model(**x).last_hidden_state)
    with pytest.raises(UsageError, match="give an `example`"):
        cut_encoder(model, 2, example={"pixel_values": torch.randn(2, 3, 8, 8)})
