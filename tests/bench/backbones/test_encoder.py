"""The small encoder's standardised filters, and what each of its parts lets through."""

import torch
from torch.nn.functional import conv2d

from bench.backbones.encoder import Convolution, GlobalContext, encoder


def test_filters_have_mean_zero_and_norm_one() -> None:
    torch.manual_seed(0)
    layer, x = Convolution(3, 4, 3, padding=1, bias=False).double(), torch.randn(2, 3, 5, 6, dtype=torch.float64)
    w = layer.weight.detach()
    w = w - w.flatten(1).mean(1).view(-1, 1, 1, 1)
    w = w / w.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    expected = layer(x)
    assert torch.allclose(expected, conv2d(x, w, padding=1), atol=1e-12)
    with torch.no_grad():
        layer.weight.mul_(3).add_(0.7)
    assert torch.allclose(layer(x), expected, atol=1e-12)


def test_an_offset_of_all_channels_does_not_pass_a_filter_inside_the_image() -> None:
    torch.manual_seed(0)
    layer, x = Convolution(3, 4, 3, padding=1, bias=False).double(), torch.randn(1, 3, 6, 7, dtype=torch.float64)
    inside = (..., slice(1, -1), slice(1, -1))
    assert torch.allclose(layer(x)[inside], layer(x + 5.0)[inside], atol=1e-12)


def test_context_adds_the_same_vector_everywhere() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 3, 5)
    added = GlobalContext(4)(x) - x
    assert torch.allclose(added, added[:, :, :1, :1].expand_as(added), atol=1e-6)
    assert added.abs().max() > 0


def test_every_place_sees_the_whole_picture() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 48, 64, dtype=torch.float64, requires_grad=True)
    features = x
    for stage in encoder((48, 64)).double():
        features = stage(features)
    [gradient] = torch.autograd.grad(features[0, :, 0, 0].sum(), x)
    assert gradient[0, :, -8:, -8:].abs().max() > 0
