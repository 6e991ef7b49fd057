import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eccvkit.data import homography_pairs as hp
from eccvkit.data.procedural_textures import KINDS, texture
from eccvkit.errors import EccvkitError, UnknownName


def shift(x, y):
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[0, 2], matrix[1, 2] = x, y
    return matrix[None]


def ramp(height=6, width=8):
    """Channel 0 is x, channel 1 is y: a bilinear reading is exact."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y, x * 0]).float()[None]


# ---- geometry --------------------------------------------------------------------------


def test_project_is_x_then_y_and_divides():
    h = torch.tensor([[1.0, 0, 2], [0, 1, 0], [0.5, 0, 1]])
    assert hp.project(h, torch.tensor([[2.0, 3.0]])).tolist() == [[2.0, 1.5]]


def test_a_point_on_the_horizon_has_no_image():
    h = torch.tensor([[1.0, 0, 0], [0, 1, 0], [-0.5, 0, 1]])
    assert hp.project(h, torch.tensor([[2.0, 3.0], [4.0, 1.0]])).isinf().all()


def test_inside_counts_pixel_centres():
    points = torch.tensor([[0.0, 0.0], [7.0, 5.0], [7.1, 0.0], [-0.5, 0.0]])
    assert hp.inside(points, (6, 8)).tolist() == [True, True, False, False]
    assert hp.inside(points, (6, 8), -0.5).tolist() == [True, True, True, True]
    assert hp.inside(torch.tensor([[4.0, 2.0]]), (6, 8), 3.0).tolist() == [False]


def test_warp_by_whole_pixels_moves_the_image_to_the_right_and_down():
    moved = hp.warp(ramp(), shift(2, 1), (6, 8))
    assert torch.allclose(moved[0, :, 1:, 2:], ramp()[0, :, :-1, :-2], atol=1e-5)


def test_warp_shows_at_q_what_the_input_has_at_the_inverse():
    torch.manual_seed(0)
    h = hp.random_homographies(3, 32, torch.Generator().manual_seed(0))
    images = ramp(32, 32).expand(3, -1, -1, -1)
    warped = hp.warp(images, h, (24, 20))
    q = torch.tensor([[[12.0, 11.0], [10.0, 13.0]]], dtype=torch.float64).expand(3, -1, -1)
    source = hp.project(torch.linalg.inv(h), q)
    assert hp.inside(source, (32, 32)).all()
    for k in range(3):
        for (x, y), at in zip(q[k].long().tolist(), source[k]):
            assert torch.allclose(warped[k, :2, y, x].double(), at, atol=1e-3)


def test_enlarging_by_two_follows_the_convention_of_interpolate():
    # x -> 2 (x + 0.5) - 0.5, the convention of align_corners=False.
    h = torch.tensor([[2.0, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])[None]
    ours = hp.warp(ramp(), h, (12, 16))
    theirs = torch.nn.functional.interpolate(ramp(), scale_factor=2, mode="bilinear")
    assert torch.allclose(ours[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1], atol=1e-5)


def test_homographies_from_corners_hit_them():
    g = torch.Generator().manual_seed(1)
    source = torch.tensor([[0.0, 0], [9, 0], [9, 9], [0, 9]], dtype=torch.float64).expand(5, 4, 2)
    target = source + 2 * torch.rand(5, 4, 2, generator=g, dtype=torch.float64)
    h = hp.homographies_from_corners(source, target)
    assert torch.allclose(hp.project(h, source), target)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_random_homographies_keep_the_order_of_the_corners(seed):
    h = hp.random_homographies(4, 64, torch.Generator().manual_seed(seed))
    corners = torch.tensor([[0.0, 0], [63, 0], [63, 63], [0, 63]], dtype=torch.float64)
    edges = hp.project(h, corners).roll(-1, 1) - hp.project(h, corners)
    following = edges.roll(-1, 1)
    turns = edges[..., 0] * following[..., 1] - edges[..., 1] * following[..., 0]
    assert (turns > 0).all()  # convex, and no mirror image


def test_without_jitter_a_homography_is_a_turn_and_a_scale_about_the_centre():
    g = torch.Generator().manual_seed(0)
    h = hp.random_homographies(50, 65, g, jitter=0.0)
    centre = torch.tensor([[32.0, 32.0]], dtype=torch.float64)
    assert torch.allclose(hp.project(h, centre), centre.expand(50, 1, 2))
    linear = h[:, :2, :2]
    scale = torch.linalg.det(linear).sqrt()
    angle = torch.atan2(linear[:, 1, 0], linear[:, 0, 0]).rad2deg()
    assert 0.7 <= scale.min() < 0.8 and 1.3 < scale.max() <= 1.4
    assert -25 <= angle.min() < -15 and 15 < angle.max() <= 25
    with pytest.raises(EccvkitError, match=r"jitter is 0\.3"):
        hp.random_homographies(1, 64, g, jitter=0.3)


# ---- pairs -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calm():
    """Pairs whose second image has the light of the first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hp, "change_light", lambda images, generator: images)
        return hp.homography_pairs(20, 48, part="test", seed=500)


def test_second_image_shows_what_the_homography_says(calm):
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    points = torch.stack([x, y], dim=-1).reshape(1, -1, 2).expand(20, -1, -1)
    located, known = calm.truth(points)
    assert known.all() and located.dtype == points.dtype
    visible = hp.inside(located, (48, 48), 1.0)

    def gap(at):
        grid = ((2 * at + 1) / 48 - 1)[:, None]
        seen = torch.nn.functional.grid_sample(calm.second, grid, align_corners=False)[:, :, 0]
        return (seen - calm.first.flatten(2)).abs().mean(dim=1)[visible].mean()

    # Resampled twice, so not zero; an error of one pixel is plainly visible.
    assert gap(located) < 0.03 and gap(located + 1) > 2 * gap(located)


def test_illum_pairs_are_aligned_and_differ_in_light_only():
    pairs = hp.homography_pairs(6, 32, part="test", kind="illum", seed=500)
    assert torch.equal(pairs.homographies, torch.eye(3, dtype=torch.float64).expand(6, 3, 3))
    assert (pairs.first - pairs.second).abs().mean() > 0.02
    assert pairs.second.min() >= 0 and pairs.second.max() <= 1


def test_same_seed_same_pairs_and_other_seed_others():
    a, b, c = (hp.homography_pairs(3, 32, seed=s) for s in (500, 500, 501))
    assert torch.equal(a.second, b.second) and torch.equal(a.homographies, b.homographies)
    assert not torch.equal(a.first, c.first)


def test_train_and_test_share_no_photograph(monkeypatch):
    assert not set(hp.PHOTOS["train"]) & set(hp.PHOTOS["test"])
    assert "stereo_motorcycle" not in sum(hp.PHOTOS.values(), ())
    seen = set()
    real = hp._photo
    monkeypatch.setattr(hp, "_photo", lambda name: seen.add(name) or real(name))
    hp.homography_pairs(60, 16, part="test", seed=500)
    assert seen == set(hp.PHOTOS["test"])


def test_pairs_can_be_sliced_and_moved(calm):
    part = calm[2:5].to("cpu")
    assert len(part) == 3 and torch.equal(part.homographies, calm.homographies[2:5])


def test_bad_requests():
    with pytest.raises(UnknownName, match="train, test"):
        hp.homography_pairs(1, part="val")
    with pytest.raises(UnknownName, match="illum, view"):
        hp.homography_pairs(1, kind="v")
    with pytest.raises(EccvkitError, match="size=8"):
        hp.homography_pairs(1, 8)


# ---- light -----------------------------------------------------------------------------


def test_blur_keeps_the_mean_and_each_image_has_its_own():
    images = torch.zeros(2, 3, 17, 17)
    images[:, :, 8, 8] = 1
    blurred = hp._blur(images, torch.tensor([0.0, 1.0]))
    assert torch.allclose(blurred[0], images[0], atol=1e-6)
    peak = 1 / sum(np.exp(-(k**2) / 2) for k in range(-4, 5)) ** 2
    assert blurred[1, 0, 8, 8].item() == pytest.approx(peak, rel=1e-4)
    assert torch.allclose(blurred.sum(dim=(2, 3)), torch.ones(2, 3), atol=1e-5)


def test_night_is_darker_except_under_the_lamp():
    images = torch.full((30, 3, 32, 32), 0.6)
    night = hp._night(images, torch.Generator().manual_seed(0))
    assert night.flatten(1).median(dim=1).values.mean() < 0.35
    assert (night.amax(dim=(1, 2, 3)) > 0.6).float().mean() > 0.5


# ---- textures --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_textures_have_contrast_and_follow_the_generator(kind):
    one, same = (texture(kind, 48, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == (48, 48, 3) and one.dtype == np.float32
    assert one.min() >= 0 and one.max() <= 1 and one.std() > 0.05
    assert np.array_equal(one, same)


def test_tiles_repeat():
    rng = np.random.default_rng(0)
    image = texture("tiles", 96, rng).mean(axis=2)
    image = image - image.mean()
    spectrum = np.abs(np.fft.fft2(image)) ** 2
    correlation = np.fft.ifft2(spectrum).real / spectrum.sum() * image.size
    beside = [correlation[0, shift] for shift in range(12, 60)]
    assert max(beside) > 0.5


def test_bad_textures():
    with pytest.raises(UnknownName, match="tiles"):
        texture("wood", 32, np.random.default_rng(0))
    with pytest.raises(EccvkitError, match="size is 8"):
        texture("noise", 8, np.random.default_rng(0))
