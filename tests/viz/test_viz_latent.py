import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.viz.latent import bilinear_codes, interpolate, latent_grid, swapped_corners


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def random_codes(*shape):
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("how", ["linear", "slerp"])
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)])
def test_both_ends_are_included(how, shape):
    z0, z1 = random_codes(*shape)
    path = interpolate(z0, z1, 4, how)
    assert path.shape == (4, *shape)
    assert torch.allclose(path[0], z0) and torch.allclose(path[-1], z1)


def test_linear_path():
    path = interpolate(torch.tensor([0.0, 4.0]), torch.tensor([2.0, 0.0]), 3)
    assert path.tolist() == [[0, 4], [1, 2], [2, 0]]


def test_slerp_runs_along_the_circle_at_constant_speed():
    path = interpolate(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 4, "slerp")
    angle = torch.deg2rad(torch.tensor([0.0, 30.0, 60.0, 90.0]))
    assert torch.allclose(path, torch.stack([angle.cos(), angle.sin()], dim=1), atol=1e-6)
    # Each code of a batch goes its own way.
    z0, z1 = random_codes(6, 8)
    together = interpolate(z0, z1, 5, "slerp")
    alone = torch.stack([interpolate(z0[k], z1[k], 5, "slerp") for k in range(6)], dim=1)
    assert torch.allclose(together, alone)


def test_slerp_between_equal_directions_is_linear():
    z = torch.tensor([1.0, 2.0])
    assert torch.allclose(interpolate(z, 3 * z, 5, "slerp"), interpolate(z, 3 * z, 5))
    assert torch.allclose(interpolate(z, z, 3, "slerp"), z.expand(3, 2))


def test_bad_paths():
    z = torch.tensor([1.0, 2.0])
    with pytest.raises(EccvkitError, match="opposite codes"):
        interpolate(z, -2 * z, 5, "slerp")
    with pytest.raises(EccvkitError, match="1 step"):
        interpolate(z, z, 1)
    with pytest.raises(UnknownName, match="interpolation 'sperical'"):
        interpolate(z, z, 3, "sperical")


def test_corners_swap_the_parts():
    z0, z1 = torch.tensor([0.0, 1, 2, 3]), torch.tensor([10.0, 11, 12, 13])
    corners = swapped_corners(z0, z1, split=3)
    assert corners[0, 0].tolist() == [0, 1, 2, 3]
    assert corners[0, 1].tolist() == [0, 1, 2, 13]
    assert corners[1, 0].tolist() == [10, 11, 12, 3]
    assert corners[1, 1].tolist() == [10, 11, 12, 13]


def test_bilinear_grid():
    corners = random_codes(2, 6)
    grid = bilinear_codes(corners, (3, 5))
    assert grid.shape == (3, 5, 6)
    for i, a in enumerate((0, 0.5, 1)):
        for j, b in enumerate((0, 0.25, 0.5, 0.75, 1)):
            top = (1 - b) * corners[0, 0] + b * corners[0, 1]
            bottom = (1 - b) * corners[1, 0] + b * corners[1, 1]
            assert torch.allclose(grid[i, j], (1 - a) * top + a * bottom)
    assert bilinear_codes(corners, 4).shape == (4, 4, 6)
    with pytest.raises(EccvkitError, match=r"shape \(6,\)"):
        bilinear_codes(corners[0, 0], 3)


def test_grid_of_swapped_parts_varies_one_part_per_direction():
    z0, z1 = random_codes(6)
    grid = bilinear_codes(swapped_corners(z0, z1, 4), 3)
    assert torch.allclose(grid[:, 0, 4:], z0[4:].expand(3, -1))
    assert torch.allclose(grid[0, :, :4], z0[:4].expand(3, -1))
    assert torch.allclose(grid[1, 2], torch.cat([(z0[:4] + z1[:4]) / 2, z1[4:]]))


@pytest.mark.parametrize("projection", [None, "3d"])
def test_every_cell_is_drawn_once_in_its_place(projection):
    cells = {}

    def draw(ax, i, j):
        assert ax not in cells.values() and ax.name == (projection or "rectilinear")
        assert len(ax.get_xticks()) == 0
        cells[i, j] = ax

    figure = latent_grid(
        2,
        3,
        draw,
        row_label="identity",
        col_label="pose",
        row_titles=["a", "b"],
        col_titles=["x", "y", "z"],
        projection=projection,
    )
    assert sorted(cells) == [(i, j) for i in range(2) for j in range(3)]
    figure.canvas.draw()
    place = {key: ax.get_position() for key, ax in cells.items()}
    assert place[0, 0].y0 > place[1, 0].y0 and place[0, 0].x0 < place[0, 1].x0 < place[0, 2].x0
    assert [cells[0, j].get_title() for j in range(3)] == ["x", "y", "z"]
    assert [cells[i, 0].texts[0].get_text() for i in range(2)] == ["a", "b"]
    assert not cells[1, 2].texts and not cells[1, 2].get_title()
    assert figure.get_supxlabel() == "pose" and figure.get_supylabel() == "identity"


def test_grid_of_images_without_words():
    images = np.arange(4).reshape(2, 2)
    figure = latent_grid(2, 2, lambda ax, i, j: ax.imshow(images[i : i + 1, j : j + 1]))
    shown = [int(ax.images[0].get_array()[0, 0]) for ax in figure.axes]
    assert shown == [0, 1, 2, 3]
    assert np.allclose(figure.get_size_inches(), 2.6)
