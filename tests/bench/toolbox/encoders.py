"""Small encoders of transformers, with fresh weights: a name, and what makes the model."""

from collections.abc import Callable
from typing import Any

import torch
import transformers as hf
from torch import Tensor, nn

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 50,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MARKS = {"cls_token_id": 3, "sep_token_id": 4}
IMAGES = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
IMAGES |= {"image_size": 16, "patch_size": 8}
TEXT: dict[str, Callable[[], Any]] = {
    "bert": lambda: hf.BertModel(hf.BertConfig(**SMALL)),
    "distilbert": lambda: hf.DistilBertModel(
        hf.DistilBertConfig(dim=16, n_layers=4, n_heads=2, hidden_dim=32, vocab_size=50)
    ),
    "roberta": lambda: hf.RobertaModel(hf.RobertaConfig(**SMALL)),
    "electra": lambda: hf.ElectraModel(hf.ElectraConfig(**SMALL, embedding_size=8)),
    "modernbert": lambda: hf.ModernBertModel(hf.ModernBertConfig(**SMALL, **MARKS)),
}
DECODERS: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: hf.GPT2Model(
        hf.GPT2Config(n_embd=16, n_layer=4, n_head=2, vocab_size=50, n_positions=40, bos_token_id=1, eos_token_id=2)
    ),
    "llama": lambda: hf.LlamaModel(hf.LlamaConfig(**SMALL)),
}
VISION: dict[str, Callable[[], Any]] = {
    "vit": lambda: hf.ViTModel(hf.ViTConfig(**IMAGES)),
    "dinov2": lambda: hf.Dinov2Model(hf.Dinov2Config(**IMAGES)),
}


def make_encoder(name: str, seed: int = 0) -> nn.Module:
    """A model with weights of a seed, large enough to tell two of them apart."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = {**TEXT, **DECODERS, **VISION}[name]()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(std=0.3)
    return model


def make_batch(name: str, rows: int = 3, length: int = 9, seed: int = 1) -> dict[str, Tensor]:
    """Rows of tokens, each with other padding at its end but the first; or images."""
    generator = torch.Generator().manual_seed(seed)
    if name in VISION:
        return {"pixel_values": torch.randn(rows, 3, 16, 16, generator=generator)}
    ids = torch.randint(5, 50, (rows, length), generator=generator)
    lengths = torch.tensor([length, *torch.randint(2, length, (rows - 1,), generator=generator)])
    return {"input_ids": ids, "attention_mask": (torch.arange(length) < lengths[:, None]).long()}
