import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import skeletonize

from eccvkit.data import retina
from eccvkit.data.retina import retina_patches, retina_vessels
from eccvkit.errors import EccvkitError, UnknownName

MASK, FIELD = retina_vessels()


@pytest.fixture
def segmentation(monkeypatch):
    """Put another mask in the place of the photograph's."""

    def put(mask):
        monkeypatch.setattr(retina, "_segmentation", lambda: (mask, np.ones_like(mask)))
        retina._half.cache_clear()

    yield put
    retina._half.cache_clear()


def test_vessels_are_one_thin_connected_tree():
    assert MASK.shape == FIELD.shape == (705, 705) and MASK.dtype == FIELD.dtype == bool
    assert 0.10 < MASK[FIELD].mean() < 0.16  # manual masks of DRIVE: about 12%
    pieces = np.bincount(label(MASK, connectivity=2).ravel())[1:]
    assert len(pieces) <= 5 and pieces.max() > 0.95 * MASK.sum()
    width = 2 * ndimage.distance_transform_edt(MASK)[skeletonize(MASK)]
    assert 4 <= np.median(width) <= 6 and width.max() <= 12


@pytest.mark.parametrize(
    ("what", "row", "column"),
    [
        ("upper arcade", 159, 240),
        ("lower arcade", 612, 360),
        ("branch of the upper arcade", 214, 308),
        ("trunk through the optic disc", 400, 92),
    ],
)
def test_known_vessels_are_found(what, row, column):
    assert MASK[row - 4 : row + 5, column - 4 : column + 5].any(), what


def test_macula_and_pigment_at_the_optic_disc_are_no_vessels():
    assert not MASK[320:385, 320:390].any()
    assert not MASK[335:385, 130:165].any()


def test_field_of_view_is_a_disc_without_the_notch():
    rows, columns = np.nonzero(FIELD)
    radius = np.hypot(rows - rows.mean(), columns - columns.mean()).max()
    assert FIELD.sum() == pytest.approx(np.pi * radius**2, rel=0.02)
    assert not (MASK & ~FIELD).any()


def test_callers_get_their_own_copy():
    retina_vessels()[0][:] = True
    assert np.array_equal(retina_vessels()[0], MASK)


@pytest.mark.parametrize("part", ["train", "test"])
def test_patches_are_binary_and_hold_vessels(part):
    patches = retina_patches(24, n=300, part=part, seed=3, least=0.15)
    assert patches.shape == (300, 1, 24, 24) and patches.dtype == torch.float32
    assert set(patches.unique().tolist()) == {0.0, 1.0}
    assert patches.mean(dim=(1, 2, 3)).min() >= 0.15


def test_vessels_are_two_pixels_wide_in_patches_and_stay_whole():
    for part in retina.PARTS:
        mask, _ = retina._half(part, 3)
        assert mask.sum() / skeletonize(mask).sum() == pytest.approx(2.25, abs=0.25)
        assert label(mask, connectivity=2).max() <= 6


def test_patches_depend_on_seed_and_part_alone():
    a, b = (retina_patches(n=8, seed=1) for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, retina_patches(n=8, seed=2))
    assert not torch.equal(a, retina_patches(n=8, seed=1, part="test"))


def test_no_pixel_serves_both_parts(segmentation):
    mask = np.random.default_rng(0).random((705, 705)) < 0.4
    segmentation(mask)
    patches = {part: retina_patches(16, n=2000, part=part) for part in retina.PARTS}
    # 235 patch rows: 113 for each half and 9 between. Turn over all pixels the half may not see.
    for part, others in (("train", slice(339, None)), ("test", slice(0, 366))):
        changed = mask.copy()
        changed[others] ^= True
        segmentation(changed)
        assert torch.equal(retina_patches(16, n=2000, part=part), patches[part])
    own = mask.copy()
    own[338] ^= True
    segmentation(own)
    assert not torch.equal(retina_patches(16, n=2000, part="train"), patches["train"])


def test_bad_requests():
    with pytest.raises(UnknownName, match="did you mean 'train'"):
        retina_patches(n=1, part="trian")
    with pytest.raises(EccvkitError, match="smaller size"):
        retina_patches(120, n=1)
    with pytest.raises(EccvkitError, match="least"):
        retina_patches(n=1, least=0.9)
    with pytest.raises(EccvkitError, match="seed"):
        retina_patches(n=1, seed=-1)
    with pytest.raises(EccvkitError, match="scale is 0"):
        retina_patches(n=1, scale=0)
