import numpy as np
import pytest
import torch
from scipy import ndimage

from eccvkit.data.masks import BLUR, count_holes, voronoi_membranes
from eccvkit.errors import EccvkitError


@pytest.fixture(scope="module")
def masks():
    return voronoi_membranes(200, seed=500)


def test_shapes_and_range(masks):
    assert len(masks) == 200
    assert masks.images.shape == (200, 1, 32, 32) and masks.images.dtype == torch.float32
    assert masks.images.min() >= 0 and masks.images.max() <= 1
    for numbers in (masks.betti, masks.cuts, masks.cells):
        assert numbers.shape == (200,) and numbers.dtype == torch.int64
    assert set(masks.cells.tolist()) == {3, 4, 5, 6}


def test_same_seed_same_masks(masks):
    assert torch.equal(voronoi_membranes(200, seed=500).images, masks.images)
    assert not torch.equal(voronoi_membranes(200, seed=501).images, masks.images)


def test_every_cell_is_a_hole_and_every_cut_joins_two(masks):
    # A sharp corner may pinch a cell in two or close a tiny one, so nearly always.
    assert (masks.betti == masks.cells - masks.cuts).float().mean() > 0.98


def test_cut_is_the_rate_of_gaps():
    assert not voronoi_membranes(100, cut=0.0).cuts.any()
    assert voronoi_membranes(100, cut=1.0).cuts.float().mean() > 0.85
    assert 0.2 < voronoi_membranes(400, cut=0.35).cuts.float().mean() < 0.42


@pytest.mark.parametrize("size", [24, 48])
def test_walls_are_two_pixels_thick(size):
    masks = voronoi_membranes(50, size, cut=0.0)
    walls = masks.images[:, 0].numpy() >= 0.5
    thickest = max(ndimage.distance_transform_edt(wall).max() for wall in walls)
    # Junctions are a little thicker than the walls that meet there.
    assert thickest <= 3
    assert all(ndimage.binary_opening(w, np.ones((2, 2))).sum() > 0.3 * w.sum() for w in walls)


def test_blur_keeps_the_amount_of_wall(masks):
    # A blur that loses or gains mass would change the mean; the walls end at the border only.
    soft = masks.images.mean()
    hard = (masks.images >= 0.5).float().mean()
    assert abs(soft - hard) / hard < 0.12 and BLUR > 0


def test_count_holes_by_hand():
    open_frame = np.zeros((5, 5), dtype=bool)
    assert count_holes(open_frame) == 1
    assert count_holes(~open_frame) == 0
    wall = open_frame.copy()
    wall[:, 2] = True
    assert count_holes(wall) == 2
    wall[2, 2] = False
    assert count_holes(wall) == 1
    # Structure is 8-connected: a diagonal line separates.
    assert count_holes(np.eye(5, dtype=bool)) == 2


@pytest.mark.parametrize("bad", [{"n": 0}, {"n": 1, "size": 20}, {"n": 1, "cut": 1.5}])
def test_impossible_requests(bad):
    with pytest.raises(EccvkitError, match="voronoi_membranes"):
        voronoi_membranes(**bad)
