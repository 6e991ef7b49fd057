"""Paper 2, pictures: what they measure, and that they draw what they should."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
import torch

from eccvkit.data.meshes import flat_sheets, strips
from eccvkit.papers import limp
from eccvkit.papers.limp import pictures

QUICK = replace(limp.PRESETS["smoke"], recon_epochs=2, epochs=2)


@pytest.fixture(scope="module")
def trained():
    keep = {}
    limp.run(QUICK, "VAE", 500, keep=keep)
    return keep


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_vertex_distortion_averages_to_the_interpolation_error(trained):
    task = trained["task"]
    between, pair = limp.vertex_blend(task), torch.tensor([[0, 3]])
    shape = between(pair, 0.5)
    own = pictures.vertex_distortion(task, 0, 3, shape, torch.tensor([0.5]))
    error, _ = limp.interpolation_errors(task, pair, between, 0.5, range(32))
    assert own.shape == (1, 32)
    assert own.mean().item() == pytest.approx(100 * error, rel=1e-6)


def test_shapes_are_laid_on_each_other_also_as_mirror_images(trained):
    shapes = trained["task"].train.vertices[:2]
    mirrored = shapes * torch.tensor([1.0, -1, 1]) + 4
    assert torch.allclose(pictures.laid_onto(mirrored, shapes), shapes, atol=1e-5)


def test_a_grid_of_one_shape_is_turned_to_look_alike(trained):
    shape = trained["task"].train.vertices[:1]
    draw = torch.Generator().manual_seed(0)
    turns = torch.linalg.qr(torch.randn(6, 3, 3, generator=draw))[0]
    turned = pictures.upright(shape @ turns, 3, shape[0])
    assert torch.allclose(turned, shape.expand(6, -1, -1), atol=1e-5)


def test_strips_of_two_arms(trained):
    task = trained["task"]
    arms = {"blend": limp.vertex_blend(task), "VAE": trained["between"]}
    figure, means = pictures.interpolation_strips(arms, task, 0, 3, [0.0, 0.5, 1.0])
    assert len(figure.axes) == 2 * 3 + 1  # and the colour bar
    assert set(means) == {"blend", "VAE"} and all(value > 0 for value in means.values())


def test_grid_planes_and_isolines_draw(trained):
    net, task = trained["net"], trained["task"]
    # Three by three decodings, a column at either side for the given shapes, and the colour bar.
    assert len(pictures.code_grid(net, task, 0, 7, steps=3).axes) == 3 * (3 + 2) + 1
    figure = pictures.code_planes({"VAE": net, "Geo": net}, task, "pca")
    titles = [ax.get_title() for ax in figure.axes[:4]]
    assert [t.split(" by ")[1] for t in titles] == ["identity", "pose"] * 2
    sheet = strips(1, 1, (8, 4), 0)
    flat = flat_sheets(sheet.identity, sheet.grid)[0]
    figure = pictures.isolines(sheet.meshes.vertices[0], sheet.meshes.faces, flat, 1)
    assert [ax.get_title() for ax in figure.axes] == ["on the strip", "unrolled", "every vertex"]
