import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
import torch
from scipy.spatial.transform import Rotation

from eccvkit.errors import DataError
from eccvkit.metrics.procrustes import procrustes


def clouds(batch=5, n=12, seed=0):
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.normal(size=(batch, n, 3)) + 3)
    rotation = torch.tensor(Rotation.random(batch, random_state=seed).as_matrix())
    shift = torch.tensor(rng.normal(size=(batch, 3)))
    return x, rotation, shift


@pytest.mark.parametrize("scale", [False, True])
def test_recovers_a_known_motion(scale):
    x, rotation, shift = clouds()
    factor = torch.linspace(0.5, 3, 5, dtype=x.dtype) if scale else torch.ones(5, dtype=x.dtype)
    y = factor[:, None, None] * x @ rotation.mT + shift[:, None]
    fit = procrustes(x, y, scale=scale)
    torch.testing.assert_close(fit.aligned, y)
    torch.testing.assert_close(fit.rotation, rotation)
    torch.testing.assert_close(fit.translation, shift)
    torch.testing.assert_close(fit.scale, factor)


@pytest.mark.parametrize("reflection", [False, True])
@pytest.mark.parametrize("scale", [False, True])
def test_aligned_is_what_the_parts_say(reflection, scale):
    x, _, _ = clouds()
    fit = procrustes(x, torch.randn_like(x), reflection=reflection, scale=scale)
    rebuilt = fit.scale[:, None, None] * x @ fit.rotation.mT + fit.translation[:, None]
    torch.testing.assert_close(fit.aligned, rebuilt)
    eye = torch.eye(3, dtype=x.dtype).expand(5, 3, 3)
    torch.testing.assert_close(fit.rotation @ fit.rotation.mT, eye)


def test_agrees_with_scipy_where_mirrors_are_allowed():
    x, y = (np.random.default_rng(s).normal(size=(10, 3)) for s in (1, 2))
    xt, yt = torch.tensor(x), torch.tensor(y)
    expected, _ = scipy.linalg.orthogonal_procrustes(x - x.mean(0), y - y.mean(0))
    fit = procrustes(xt, yt, reflection=True)
    np.testing.assert_allclose(fit.rotation, expected.T, atol=1e-12)

    # SciPy moves the second cloud onto the first, both centred and with norm one.
    _, moved, disparity = scipy.spatial.procrustes(y, x)
    fit = procrustes(xt, yt, reflection=True, scale=True)
    norm = np.linalg.norm(y - y.mean(0))
    np.testing.assert_allclose((fit.aligned.numpy() - y.mean(0)) / norm, moved, atol=1e-12)
    np.testing.assert_allclose(((fit.aligned - yt) ** 2).sum() / norm**2, disparity)


def test_proper_rotation_agrees_with_scipy():
    # Pairs of noise: about half of them would rather be mirrored.
    torch.manual_seed(0)
    x, y = torch.randn(2, 20, 8, 3, dtype=torch.float64)
    fit = procrustes(x, y)
    mirrored = torch.linalg.det(procrustes(x, y, reflection=True).rotation) < 0
    assert 0 < mirrored.sum() < 20
    for i in range(20):
        rotation, _ = Rotation.align_vectors(y[i] - y[i].mean(0), x[i] - x[i].mean(0))
        np.testing.assert_allclose(fit.rotation[i], rotation.as_matrix(), atol=1e-6)
    torch.testing.assert_close(torch.linalg.det(fit.rotation), torch.ones(20, dtype=x.dtype))


def test_mirror_image_needs_a_reflection():
    x, _, _ = clouds()
    y = x * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(procrustes(x, y, reflection=True).aligned, y)
    assert (procrustes(x, y).aligned - y).abs().amax() > 0.1


@pytest.mark.parametrize("scale", [False, True])
def test_no_nearby_motion_is_better(scale):
    torch.manual_seed(0)
    x, y = torch.randn(2, 1, 9, 3, dtype=torch.float64)
    fit = procrustes(x, y, scale=scale)
    best = (fit.aligned - y).square().sum()
    for seed in range(50):
        small = Rotation.from_rotvec(np.random.default_rng(seed).normal(size=3) * 0.05)
        factor = 1 + 0.05 * np.sin(seed) if scale else 1.0
        other = factor * fit.aligned @ torch.tensor(small.as_matrix()).mT
        other = other + (y - other).mean(dim=1, keepdim=True)
        assert (other - y).square().sum() > best


def test_single_clouds_and_the_plane():
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    fit = procrustes(x, 2 * x @ turn.T + 1, scale=True)
    torch.testing.assert_close(fit.rotation, turn)
    torch.testing.assert_close(fit.translation, torch.ones(2))
    assert fit.scale.shape == () and fit.scale.item() == pytest.approx(2, rel=1e-5)


def test_planar_and_straight_clouds_get_a_proper_rotation():
    x, rotation, shift = clouds(batch=2)
    x = x.clone()
    x[0, :, 2] = 0
    x[1, :, 1:] = 0
    y = x @ rotation[:2].mT + shift[:2, None]
    fit = procrustes(x, y)
    torch.testing.assert_close(fit.aligned, y)
    torch.testing.assert_close(torch.linalg.det(fit.rotation), torch.ones(2, dtype=x.dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e4 / 3])
def test_collapsed_clouds(dtype, value):
    torch.manual_seed(0)
    point = torch.full((1, 7, 3), value, dtype=dtype)
    cloud = torch.randn(1, 7, 3, dtype=dtype)
    for x, y, factor in [(point, cloud, 1.0), (cloud, point, 0.0), (point, point, 1.0)]:
        fit = procrustes(x, y, scale=True)
        torch.testing.assert_close(fit.rotation, torch.eye(3, dtype=dtype)[None])
        assert fit.scale.item() == pytest.approx(factor, abs=1e-3)
        # In float32 even the mean of equal numbers may differ from them in the last digit.
        atol = 1e-7 * (5 + value)
        torch.testing.assert_close(fit.aligned.mean(1), y.mean(1), atol=atol, rtol=0)
    torch.testing.assert_close(procrustes(point, cloud).scale, torch.ones(1, dtype=dtype))


def test_one_collapsed_cloud_leaves_the_others_alone():
    x, rotation, shift = clouds()
    y = x @ rotation.mT + shift[:, None]
    x[2] = 1.0
    fit = procrustes(x, y, scale=True)
    keep = [0, 1, 3, 4]
    torch.testing.assert_close(fit.aligned[keep], y[keep])


@pytest.mark.parametrize("scale", [False, True])
def test_gradient(scale):
    torch.manual_seed(0)
    x, y = torch.randn(2, 2, 5, 3, dtype=torch.float64)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda a: procrustes(a, y, scale=scale).aligned, x)


def test_far_from_the_origin_float32_keeps_its_digits():
    x, rotation, _ = clouds()
    y = x @ rotation.mT
    far = torch.tensor([3e4, -2e4, 1e4], dtype=x.dtype)
    moved = (x + far).float()
    expected = procrustes(moved.double(), y)
    torch.testing.assert_close(
        procrustes(moved, y.float()).aligned.double(), expected.aligned, atol=5e-3, rtol=0
    )


def test_bad_input_is_explained():
    good = torch.zeros(2, 5, 3)
    with pytest.raises(DataError, match="not in correspondence"):
        procrustes(good, good[:, :4])
    with pytest.raises(DataError, match="at least 2 points"):
        procrustes(good[:, :1], good[:, :1])
    with pytest.raises(DataError, match="at least 2 coordinates"):
        procrustes(good[..., :1], good[..., :1])
    bad = good.clone()
    bad[1, 2, 0] = float("nan")
    with pytest.raises(DataError, match="NaN or infinite"):
        procrustes(good, bad)
