import math
from dataclasses import fields, replace

import pytest
import torch

from eccvkit.data import tinyshapes as module
from eccvkit.data.tinyshapes import (
    CONTRAST,
    LUMINANCE,
    SHAPES,
    TEXTURES,
    render,
    sample_scenes,
    specimens,
    tinyshapes,
)
from eccvkit.errors import EccvkitError, UnknownName


def one(shape="disc", texture="solid", **changes):
    """A black shape with white as second colour on mid-grey, upright, without clutter and blobs."""
    plain = {
        "shapes": torch.tensor([SHAPES.index(shape)]),
        "textures": torch.tensor([TEXTURES.index(texture)]),
        "centre": torch.zeros(1, 2),
        "radius": torch.tensor([0.4]),
        "angle": torch.zeros(1),
        "period": torch.tensor([0.25]),
        "phase": torch.zeros(1, 2),
        "colours": torch.tensor([0.5, 0.0, 1.0])[None, :, None].expand(1, 3, 3),
        "clutter": torch.zeros(1, 3, 4, 4),
        "blobs": torch.zeros(1, module.BLOBS, 6) - 1,
    }
    return replace(sample_scenes(1), **plain | changes)


@pytest.mark.parametrize("classes", [10, 100])
def test_shapes_ranges_types_and_exact_labels(classes):
    data = tinyshapes(200, 16, classes=classes)
    assert data.images.shape == (200, 3, 16, 16) and data.images.dtype == torch.float32
    assert data.images.min() >= 0 and data.images.max() <= 1
    assert data.labels.dtype == torch.int64 and len(data.names) == classes
    assert torch.bincount(data.labels).tolist() == [200 // classes] * classes
    expected = 10 * data.shapes + data.textures if classes == 100 else data.shapes
    assert torch.equal(data.labels, expected)
    k = data.labels[0].item()
    assert SHAPES[data.shapes[0]] in data.names[k]
    if classes == 100:
        assert data.names[k] == f"{SHAPES[data.shapes[0]]}, {TEXTURES[data.textures[0]]}"


def test_textures_are_a_nuisance_of_ten_classes():
    data = tinyshapes(2000, 8, classes=10)
    table = torch.zeros(10, 10).index_put_((data.shapes, data.textures), torch.ones(2000), True)
    assert table.min() >= 5 and table.max() <= 40  # 20 expected


def test_more_images_only_append_and_streams_are_independent():
    few, many = tinyshapes(30, 12, seed=3), tinyshapes(120, 12, seed=3)
    assert torch.equal(few.images, many.images[:30])
    assert torch.equal(few.labels, many.labels[:30])
    for other in (tinyshapes(30, 12, seed=4), tinyshapes(30, 12, seed=3, part="test")):
        assert (few.images - other.images).abs().amax(dim=(1, 2, 3)).min() > 0.2


def test_chunks_do_not_show(monkeypatch):
    whole = tinyshapes(50, 10)
    monkeypatch.setattr(module, "_CHUNK", 7)
    assert torch.allclose(tinyshapes(50, 10).images, whole.images, atol=1e-6)


def test_nuisances_stay_within_their_ranges():
    s = sample_scenes(3000, classes=10)
    assert s.centre.abs().max() <= 0.15 and s.radius.min() >= 0.22 and s.radius.max() <= 0.40
    assert 29 < math.degrees(s.angle.abs().max()) <= 30
    assert 9 < math.degrees(sample_scenes(3000, classes=100).angle.abs().max()) <= 10
    assert sample_scenes(10, classes=100, rotation=0.0).angle.abs().max() == 0
    assert s.colours.min() >= 0 and s.colours.max() <= 1
    luminance = (s.colours * torch.tensor(LUMINANCE)).sum(dim=2).sort(dim=1).values
    assert luminance.diff(dim=1).min() > CONTRAST - 1e-5
    # Every colour of the three is the brightest one equally often.
    brightest = torch.bincount((s.colours * torch.tensor(LUMINANCE)).sum(dim=2).argmax(dim=1))
    assert brightest.min() > 900


def test_size_of_the_noise():
    quiet, noisy = (tinyshapes(50, 16, noise=sigma).images for sigma in (0.0, 0.12))
    middle = (quiet > 0.4) & (quiet < 0.6)  # Where the cut to [0, 1] does not matter.
    assert (noisy - quiet)[middle].std().item() == pytest.approx(0.12, rel=0.03)


def test_disc_covers_its_area_in_black():
    image = render(one(radius=torch.tensor([0.3])), 64)[0, 0]
    assert (0.5 - image).sum().item() / 0.5 == pytest.approx(
        math.pi * (0.9 * 0.3 * 64) ** 2, rel=5e-3
    )
    assert set(image.unique().tolist()) > {0.0, 0.5}  # and the rim is anti-aliased


def test_centre_and_rotation():
    shifted = render(one(centre=torch.tensor([[0.25, -0.125]])), 32)[0, 0]
    plain = render(one(), 32)[0, 0]
    assert torch.allclose(shifted[:-4, 8:], plain[4:, :-8], atol=1e-5)
    # A quarter turn clockwise takes the triangle's upper corner to the right.
    turned = render(one("triangle", angle=torch.tensor([math.pi / 2])), 32)[0, 0]
    upright = render(one("triangle"), 32)[0, 0]
    assert torch.allclose(turned, torch.rot90(upright, -1), atol=1e-4)


def test_textures_by_hand():
    middle = {
        name: render(one("square", name, radius=torch.tensor([0.6])), 64)[0, 0] for name in TEXTURES
    }
    assert middle["solid"][10:54, 10:54].max() == 0
    # Period 16 pixels: rows of the horizontal stripes repeat, and do not change along x.
    h, v = middle["horizontal stripes"][8:56, 8:56], middle["vertical stripes"][8:56, 8:56]
    assert torch.allclose(h, h[:, :1].expand_as(h), atol=1e-5)
    assert torch.allclose(h[:-16], h[16:], atol=1e-4) and torch.allclose(h, v.T, atol=1e-5)
    assert h.mean().item() == pytest.approx(0.5, abs=0.01) and h.std() > 0.4
    d = middle["diagonal stripes"][8:56, 8:56]
    assert torch.allclose(d[1:, :-1], d[:-1, 1:], atol=1e-4)
    c = middle["checker"][8:56, 8:56]
    assert torch.allclose(c, h + v - 2 * h * v, atol=1e-5)
    # A lattice of discs of radius 0.32 periods.
    dots = middle["dots"][8:56, 8:56]
    assert dots.mean().item() == pytest.approx(math.pi * 0.32**2, rel=0.03)
    g = middle["gradient"]
    assert g[32, 32] < 0.02 and g[32, 51].item() == pytest.approx(19.5 / 64 / 0.6, abs=0.01)
    rings = middle["rings"]
    assert torch.allclose(rings, torch.rot90(rings), atol=1e-4) and rings[8:56, 8:56].std() > 0.4
    two = middle["two-tone"][8:56, 8:56]
    assert two[:, :24].min() == 1 and two[:, 24:].max() == 0
    cells = middle["speckle"][8:56, 8:56]
    assert set(cells.unique().tolist()) == {0.0, 1.0} and 0.2 < cells.mean() < 0.8


def test_speckle_has_no_pattern():
    a, b = torch.meshgrid(torch.arange(-20.0, 20), torch.arange(-20.0, 20), indexing="ij")
    draws = [module._coin(a, b, salt) * 2 - 1 for salt in torch.linspace(0, 1, 100)]
    sides = torch.stack(draws)
    assert abs(sides.mean()) < 0.02
    for other in (sides[:, 1:, :] * sides[:, :-1, :], sides[:, :, 1:] * sides[:, :, :-1]):
        assert abs(other.mean()) < 0.02
    assert (sides[1:] * sides[:-1]).mean(dim=(1, 2)).abs().max() < 0.15


def test_texture_turns_with_the_shape_and_blobs_lie_behind_it():
    turned = render(one("disc", "vertical stripes", angle=torch.tensor([math.pi / 2])), 32)[0, 0]
    upright = render(one("disc", "vertical stripes"), 32)[0, 0]
    assert torch.allclose(turned, torch.rot90(upright, -1), atol=1e-4)
    blob = torch.tensor([0.0, 0.0, 0.1, 1.0, 0.0, 0.0]).repeat(1, module.BLOBS, 1)
    assert torch.equal(render(one(blobs=blob), 32), render(one(), 32))
    aside = blob.clone()
    aside[..., 0] = -0.45
    assert render(one(blobs=aside), 32)[0, :, 16, 1].tolist() == [1.0, 0.0, 0.0]


def test_specimens_show_every_class_without_noise():
    images = specimens(24)
    assert images.shape == (100, 3, 24, 24)
    assert len(images.flatten(1).unique(dim=0)) == 100
    assert torch.equal(images, specimens(24))


def test_scenes_can_be_indexed():
    scenes = sample_scenes(5)
    part = scenes[1:3]
    assert len(part) == 2
    assert all(
        torch.equal(getattr(part, f.name), getattr(scenes, f.name)[1:3]) for f in fields(scenes)
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"n": 0}, "n=0"), ({"n": 5, "classes": 20}, "classes=20"), ({"n": 5, "size": 4}, "size=4"),
     ({"n": 5, "noise": -1.0}, "noise=-1"), ({"n": 5, "noise": float("nan")}, "noise=nan"),
     ({"n": 5, "seed": -1}, "seed=-1")],
)  # fmt: skip
def test_bad_arguments_are_refused_in_one_line(arguments, text):
    with pytest.raises(EccvkitError, match=text) as caught:
        tinyshapes(**arguments)
    assert "\n" not in str(caught.value)


def test_unknown_part():
    with pytest.raises(UnknownName, match="did you mean 'train'"):
        tinyshapes(5, part="trian")
