import numpy as np
import pytest
import torch

from eccvkit.data import patches
from eccvkit.data.patches import mask_patches
from eccvkit.errors import EccvkitError

rng = np.random.default_rng(0)
MASK = rng.random((9, 7)) < 0.5


def as_set(windows):
    return {tuple(np.asarray(w, dtype=float).ravel()) for w in windows}


def windows_of(mask, size):
    height, width = mask.shape
    return [
        mask[i : i + size, j : j + size]
        for i in range(height - size + 1)
        for j in range(width - size + 1)
    ]


def test_unturned_patches_are_exactly_the_windows_of_all_masks():
    masks = [MASK, rng.random((4, 5)) < 0.5, np.zeros((2, 9), dtype=bool)]  # the last is too small
    drawn = mask_patches(masks, 3, 3000, turned=False)
    assert drawn.shape == (3000, 1, 3, 3) and drawn.dtype == torch.float32
    assert as_set(drawn) == as_set(windows_of(masks[0], 3) + windows_of(masks[1], 3))


def test_turned_patches_are_the_windows_in_all_eight_positions():
    views = [np.rot90(m, k) for w in windows_of(MASK, 3) for m in (w, w[:, ::-1]) for k in range(4)]
    assert as_set(mask_patches([MASK], 3, 10000)) == as_set(views)


def test_every_position_is_equally_likely():
    one = np.ones((3, 3), dtype=bool)  # one position, against 4 x 8 of the empty mask
    share = mask_patches([np.zeros((6, 10), dtype=bool), one], 3, 20000).amax(dim=(1, 2, 3)).mean()
    assert share == pytest.approx(1 / 33, abs=0.005)


def test_patches_hold_enough_and_lie_in_the_field():
    field = np.zeros_like(MASK)
    field[2:7, 1:5] = True
    drawn = mask_patches([MASK], 3, 2000, least=0.5, fields=[field], turned=False)
    inside = [w for w in windows_of(MASK[2:7, 1:5], 3) if w.mean() >= 0.5]
    assert as_set(drawn) == as_set(inside)


def test_same_seed_same_patches():
    a, b, c = (mask_patches([MASK], 3, 9, seed=s) for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_turns_are_the_symmetries_of_the_square():
    patch = torch.arange(9.0).view(1, 3, 3)
    turned = patches._turned(patch.expand(8, 3, 3), np.arange(8))
    assert len(as_set(turned)) == 8
    assert torch.equal(turned[1], patch[0].rot90(1)) and torch.equal(turned[4], patch[0].flip(1))


def test_impossible_requests():
    full = np.ones((5, 5), dtype=bool)
    for masks, options in (
        ([MASK], {"size": 8}),
        ([MASK], {"size": 3, "least": 1.1}),
        ([MASK], {"size": 3, "fields": [np.zeros_like(MASK)]}),
        ([], {"size": 3}),
    ):
        with pytest.raises(EccvkitError, match="smaller size or share"):
            mask_patches(masks, n=1, **options)
    with pytest.raises(EccvkitError, match="one per mask"):
        mask_patches([full], 3, 1, fields=[np.ones((5, 4), dtype=bool)])
    with pytest.raises(EccvkitError, match="one per mask"):
        mask_patches([full], 3, 1, fields=[full, full])
    with pytest.raises(EccvkitError, match="at least one pixel"):
        mask_patches([full], 0, 1)
    with pytest.raises(EccvkitError, match="seed"):
        mask_patches([full], 3, 1, seed=-1)
