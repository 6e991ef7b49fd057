import pytest
import torch
from torch import nn

from eccvkit.errors import EccvkitError
from eccvkit.nn.count import count_parameters
from eccvkit.nn.separable import (
    ConvBN,
    depthwise,
    depthwise_separable,
    make_divisible,
    pointwise,
    scale_channels,
)


def test_parameters_and_shapes():
    x = torch.zeros(2, 6, 9, 9)
    for piece, parameters, shape in (
        (ConvBN(6, 4), 6 * 4 * 9 + 8, (2, 4, 9, 9)),
        (ConvBN(6, 4, kernel=5, stride=2), 6 * 4 * 25 + 8, (2, 4, 5, 5)),
        (depthwise(6, stride=2), 6 * 9 + 12, (2, 6, 5, 5)),
        (pointwise(6, 4), 6 * 4 + 8, (2, 4, 9, 9)),
        (depthwise_separable(6, 4, 3), 6 * 9 + 12 + 24 + 8, (2, 4, 3, 3)),
    ):
        assert count_parameters(piece) == parameters
        assert piece(x).shape == shape


def test_depthwise_keeps_channels_apart_and_pointwise_pixels():
    x = torch.zeros(1, 3, 5, 5)
    x[0, 1, 2, 2] = 1.0
    spread = depthwise(3, activation=None).conv(x)
    assert spread[0, [0, 2]].abs().max() == 0 and spread[0, 1].abs().max() > 0
    mixed = pointwise(3, 4, activation=None).conv(x)
    assert mixed.abs().sum(dim=1).nonzero().tolist() == [[0, 2, 2]]


def test_activation_is_optional_and_replaceable():
    assert list(dict(ConvBN(3, 4).named_children())) == ["conv", "bn", "act"]
    assert list(dict(ConvBN(3, 4, activation=None).named_children())) == ["conv", "bn"]
    assert isinstance(ConvBN(3, 4, activation=nn.Hardswish).act, nn.Hardswish)
    assert ConvBN(3, 4).conv.bias is None


def test_make_divisible_by_hand():
    # Nearest multiple of 8, at least 8, and never below 90 % of what was asked for.
    cases = {3: 8, 8: 8, 11.2: 16, 12: 16, 19: 24, 20: 24, 24.5: 24, 33.6: 32, 91: 88, 92: 96}
    assert {c: make_divisible(c) for c in cases} == cases
    assert make_divisible(214, 16) == 208 and make_divisible(5, 16) == 16


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_widths(width):
    with pytest.raises(EccvkitError, match="width multiplier is"):
        scale_channels(32, width)


def test_widths_that_leave_no_channels():
    assert scale_channels(32, 0.125) == 8
    with pytest.raises(EccvkitError, match=r"0\.12 rounds 32 channels to 0.*at least 0\.125"):
        scale_channels(32, 0.12)
