import numpy as np
import pytest
import torch
import trimesh

from eccvkit.data.decimate import decimate, decimation, largest_piece
from eccvkit.data.meshes import Meshes, bend, check_mesh, flat_sheets, grid_faces, strips
from eccvkit.errors import DataError, EccvkitError

SHEETS = strips(subjects=2, poses=4, grid=(24, 8))


def ball(subdivisions=3):
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions)
    vertices = torch.tensor(np.asarray(sphere.vertices), dtype=torch.float32)
    return vertices, torch.tensor(np.asarray(sphere.faces), dtype=torch.int64)


def labelled(vertices, faces):
    index = torch.arange(len(vertices))
    return Meshes(vertices, faces, index, index)


@pytest.mark.parametrize("target", [641, 300, 100, 12])
def test_target_is_met_exactly_on_a_proper_surface(target):
    vertices, faces = ball()
    small = decimation(vertices, faces, target)
    assert len(small) == target
    coarse = small.apply(vertices)
    check_mesh(small.faces, target, coarse)
    # Closed surface of genus 0: f = 2 n - 4. Every vertex lies on the polyhedron.
    assert len(small.faces) == 2 * target - 4
    radius = coarse.norm(dim=1)
    assert (radius < 1 + 1e-6).all() and (radius > 0.98).all()


def test_weights_are_barycentric_in_triangles_of_the_template():
    vertices, faces = ball()
    small = decimation(vertices, faces, 200)
    assert (small.weights >= 0).all()
    assert torch.allclose(small.weights.sum(1), torch.ones(200))
    triangles = {tuple(t) for t in faces.tolist()}
    assert {tuple(t) for t in small.corners.tolist()} <= triangles


def test_no_triangle_folds_over():
    vertices, faces = ball(4)
    bumps = 1 + 0.2 * torch.sin(4 * vertices[:, :1]) * torch.cos(5 * vertices[:, 1:2])
    small = decimation(vertices * bumps, faces, 700)
    coarse = small.apply(vertices * bumps)
    a, b, c = (coarse[small.faces[:, k]] for k in range(3))
    # Seen from the centre all triangles of the star-shaped surface keep their sense of rotation.
    assert ((torch.linalg.cross(b - a, c - a) * (a + b + c)).sum(1) > 0).all()


def test_meshes_stay_registered():
    meshes = decimate(SHEETS.meshes, 110)
    small = decimation(SHEETS.meshes.vertices[0], SHEETS.meshes.faces, 110)
    assert torch.equal(meshes.faces, small.faces)
    assert torch.equal(meshes.subject, SHEETS.meshes.subject)
    assert torch.equal(meshes.pose, SHEETS.meshes.pose)
    # The same point of the flat sheet in every pose: bending the flat position leads there.
    position = small.apply(flat_sheets(SHEETS.identity, SHEETS.grid))
    own = position[SHEETS.meshes.subject]
    length = SHEETS.identity[SHEETS.meshes.subject, 0]
    arc = (own[:, :, 0] / length[:, None] + 0.5) * (SHEETS.grid[0] - 1)
    columns = bend(SHEETS.identity[SHEETS.meshes.subject], SHEETS.turns, SHEETS.grid)
    columns = columns.reshape(len(SHEETS), *SHEETS.grid, 3)[:, :, 0].double()
    low = arc.floor().clamp(0, SHEETS.grid[0] - 2).long()
    share = (arc - low)[..., None]
    batch = torch.arange(len(SHEETS))[:, None]
    expected = (1 - share) * columns[batch, low] + share * columns[batch, low + 1]
    found = meshes.vertices.double()
    assert torch.allclose(found[..., [0, 2]], expected[..., [0, 2]], atol=1e-5)
    assert torch.allclose(found[..., 1], own[..., 1], atol=1e-5)


def test_outline_keeps_its_vertices():
    columns, rows = SHEETS.grid
    index = torch.arange(columns * rows).reshape(columns, rows)
    rim = torch.cat([index[0], index[-1], index[1:-1, 0], index[1:-1, -1]])
    small = decimation(SHEETS.meshes.vertices[0], SHEETS.meshes.faces, 90)
    kept = small.corners[small.weights > 1 - 1e-6]
    assert set(rim.tolist()) <= set(kept.tolist())
    # Area of a bent sheet is that of the flat one, whose outline is unchanged.
    flat = flat_sheets(SHEETS.identity[:1], SHEETS.grid)[0]
    area = _area(flat, grid_faces(SHEETS.grid))
    assert _area(small.apply(flat), small.faces) == pytest.approx(area, rel=1e-6)


def _area(points, faces):
    a, b, c = (points[faces[:, k]] for k in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    return float((ux * vy - uy * vx).abs().sum() / 2)


def test_large_target_changes_nothing():
    assert decimate(SHEETS.meshes, 192) is SHEETS.meshes
    assert decimate(SHEETS.meshes, 10_000) is SHEETS.meshes


def test_small_target_says_how_far_it_goes():
    with pytest.raises(EccvkitError, match=r"ends at (\d+) of 192 vertices") as caught:
        decimate(SHEETS.meshes, 20)
    reached = int(str(caught.value).split("ends at ")[1].split()[0])
    assert reached >= 60  # all vertices of the border stay
    assert decimate(SHEETS.meshes, reached).vertices.shape[1] == reached
    for target in (3, 0, -5):
        with pytest.raises(EccvkitError, match="ask for 4 to 191"):
            decimate(SHEETS.meshes, target)


def test_functions_travel_with_the_vertices():
    vertices, faces = ball()
    small = decimation(vertices, faces, 150)
    function = vertices[None].double().expand(2, -1, -1) @ torch.ones(3, 1, dtype=torch.float64)
    assert torch.allclose(small.apply(function)[1, :, 0], small.apply(vertices.double()).sum(1))


def test_improper_templates_and_results_are_refused():
    vertices, faces = ball(1)
    with pytest.raises(DataError, match="2 pieces"):
        decimation(torch.cat([vertices, vertices + 3]), torch.cat([faces, faces + 42]), 60)
    flat = vertices * torch.tensor([1.0, 0.0, 0.0])
    with pytest.raises(DataError, match=r"decimated to 30 vertices .*mesh 1, .* no area"):
        decimate(labelled(torch.stack([vertices, flat]), faces), 30)


def test_largest_piece():
    vertices, faces = ball(1)
    small, small_faces = ball(0)
    loose = torch.tensor([[5.0, 5.0, 5.0]])
    both = torch.cat([small, loose, vertices])[None].repeat(2, 1, 1)
    meshes = labelled(both, torch.cat([faces + 13, small_faces]))
    kept = largest_piece(meshes)
    assert torch.equal(kept.vertices, vertices.expand(2, -1, -1))
    assert torch.equal(kept.faces, faces)
    assert kept.subject.tolist() == [0, 1]
    check_mesh(kept.faces, 42, kept.vertices)
