import numpy as np
import pytest
import skimage.data
import torch

from eccvkit.data.stereo import StereoPair, carry_to_right, motorcycle, seen_in_right
from eccvkit.errors import DataError, EccvkitError, UnknownName

NAN = np.nan
# A near surface (disparity 2) in columns 3 and 4 before a far one (disparity 0).
SCENE = np.array([[0, 0, 0, 2, 2, 0, 0]], dtype=np.float32)


def colour_gap(pair, at):
    """Mean colour difference between visible pixels and where they should be found."""
    height, width = pair.disparity.shape
    y, x = torch.where(pair.visible)
    located = at(torch.stack([x, y], dim=-1)[None].float())
    grid = (2 * located + 1) / torch.tensor([width, height]) - 1
    seen = torch.nn.functional.grid_sample(pair.second, grid[:, None], align_corners=False)[0, :, 0]
    return (seen - pair.first[0, :, y, x]).abs().mean().item()


def test_near_surface_wins_and_hides_by_hand():
    right = carry_to_right(SCENE)
    # Columns 1 and 2 of the right image show the near surface; 3 and 4 nothing that we know.
    assert np.array_equal(right, [[0, 2, 2, NAN, NAN, 0, 0]], equal_nan=True)
    assert seen_in_right(SCENE, right).tolist() == [[True, False, False, True, True, True, True]]


def test_points_that_leave_the_image_or_have_no_measurement_are_not_seen():
    disparity = np.array([[3.0, 1.0, NAN, np.inf]], dtype=np.float32)
    right = carry_to_right(disparity)
    assert np.array_equal(right, [[1, NAN, NAN, NAN]], equal_nan=True)
    assert seen_in_right(disparity, right).tolist() == [[False, True, False, False]]


def test_negative_disparities_are_refused():
    with pytest.raises(DataError, match="change the sign"):
        carry_to_right(-SCENE)


@pytest.fixture(scope="module")
def pair():
    return motorcycle(2)


def test_bundled_pair_is_read(pair):
    assert motorcycle().first.shape == (1, 3, 500, 741)
    assert pair.first.shape == pair.second.shape == (1, 3, 250, 370) and len(pair) == 1
    assert pair.disparity.shape == pair.visible.shape == (250, 370)
    left, _, disparity = skimage.data.stereo_motorcycle()
    assert np.allclose(
        pair.first[0, :, 10, 20], left[20:22, 40:42].mean(axis=(0, 1)) / 255, atol=1e-6
    )
    assert pair.disparity[100, 100] == pytest.approx(
        disparity[200:202, 200:202].mean() / 2, abs=1e-4
    )
    assert np.isinf(disparity).mean() > 0.05  # unknown in the file: infinite, not NaN
    assert 0.7 < pair.visible.float().mean() < 0.9
    assert torch.isfinite(pair.disparity[pair.visible]).all()


@pytest.mark.parametrize("reference", ["left", "right"])
def test_sign_of_the_disparity_fits_the_images(reference):
    pair = motorcycle(2, reference=reference)
    right = colour_gap(pair, lambda p: pair.truth(p)[0])
    assert right < 0.025
    step = torch.tensor([1.0, 0.0])
    assert colour_gap(pair, lambda p: pair.truth(p)[0] + step) > 1.5 * right
    wrong_sign = colour_gap(pair, lambda p: (2 * p - pair.truth(p)[0]).clamp(0, 369))
    assert wrong_sign > 4 * right


def test_the_disparity_belongs_to_the_left_image():
    # scikit-image's docstring says img_left[y, x + d[y, x]] fits img_right[y, x]: it fits worse.
    left, right, disparity = skimage.data.stereo_motorcycle()
    y, x = np.nonzero(np.isfinite(disparity))
    moved = np.round(disparity[y, x]).astype(int)
    inside = (x - moved >= 0) & (x + moved < left.shape[1])
    y, x, moved = y[inside], x[inside], moved[inside]
    ours = np.abs(right[y, x - moved].astype(int) - left[y, x]).mean()
    theirs = np.abs(left[y, x + moved].astype(int) - right[y, x]).mean()
    assert ours < 0.7 * theirs


def test_both_references_agree_with_each_other():
    left, right = motorcycle(2), motorcycle(2, reference="right")
    y, x = torch.where(left.visible)
    there, known = left.truth(torch.stack([x, y], dim=-1)[None].float())
    assert known.all()
    landed = there.round().clamp(min=0)
    back, known_there = right.truth(landed)
    away = (back - (landed - there) - torch.stack([x, y], dim=-1)).norm(dim=-1)[known_there]
    assert known_there.float().mean() > 0.95
    assert away.max() <= 1.01  # as far apart as two surfaces may be that count as one


def test_truth_reads_the_nearest_pixel_and_marks_the_unknown():
    disparity = torch.tensor([[1.0, 1.0, float("nan"), 2.0]])
    visible = torch.tensor([[False, True, False, True]])
    image = torch.zeros(1, 3, 1, 4)
    pair = StereoPair(image, image, disparity, visible)
    points = torch.tensor([[[0.0, 0.0], [1.4, 0.0], [2.0, 0.0], [3.0, 0.0]]])
    located, known = pair.truth(points)
    assert known.tolist() == [[False, True, False, True]]
    assert located[known].tolist() == [[pytest.approx(0.4), 0.0], [1.0, 0.0]]
    assert torch.isfinite(located).all()
    with pytest.raises(EccvkitError, match="outside of the image of 1 x 4"):
        pair.truth(torch.tensor([[[4.0, 0.0]]]))


def test_shrinking_drops_blocks_of_two_surfaces_and_of_unknown_pixels():
    from eccvkit.data.stereo import _shrunk_disparity

    disparity = np.array([[2, 2, 8, 2, 4, 4], [2, 2, 8, 8, 4, np.inf]], dtype=np.float32)
    assert np.array_equal(_shrunk_disparity(disparity, 2), [[1, NAN, NAN]], equal_nan=True)


def test_bad_requests():
    with pytest.raises(UnknownName, match="left, right"):
        motorcycle(reference="top")
    with pytest.raises(EccvkitError, match="shrink is 0"):
        motorcycle(0)
