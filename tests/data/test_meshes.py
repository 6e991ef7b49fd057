"""Registered meshes: the container, the check of connectivity, and strips with exact geodesics."""

import math

import numpy as np
import pytest
import torch

from eccvkit.data.meshes import (
    TURN,
    Meshes,
    bend,
    check_mesh,
    flat_sheets,
    grid_faces,
    stack_meshes,
    strips,
)
from eccvkit.errors import DataError, EccvkitError

SQUARE = [[0, 1, 2], [0, 2, 3]]


def square(faces=SQUARE, count=2):
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    labels = torch.arange(count)
    return Meshes(corners.expand(count, 4, 3), torch.tensor(faces), labels, labels)


def test_selecting_meshes_keeps_faces_and_labels_together():
    two = square(count=3)[torch.tensor([2, 0])]
    assert len(two) == 2 and two.subject.tolist() == [2, 0]
    assert torch.equal(two.faces, torch.tensor(SQUARE))


def test_stacking_joins_and_refuses_other_connectivity():
    both = stack_meshes([square(), square(count=1)])
    assert both.subject.tolist() == [0, 1, 0]
    with pytest.raises(DataError, match="meshes 1 have other faces than meshes 0"):
        stack_meshes([square(), square([[0, 1, 3], [1, 2, 3]])])
    small = Meshes(torch.rand(1, 3, 3), torch.tensor([[0, 1, 2]]), *torch.zeros(2, 1).long())
    with pytest.raises(DataError, match="have 3 vertices, meshes 0 have 4"):
        stack_meshes([square(), small])
    with pytest.raises(DataError, match="no meshes"):
        stack_meshes([])


@pytest.mark.parametrize(
    ("vertices", "faces", "labels", "text"),
    [
        (torch.rand(4, 3), SQUARE, 1, r"expected \(meshes, vertices, 3\)"),
        (torch.rand(1, 4, 3), [[0, 1]], 1, r"faces have shape \(1, 2\)"),
        (torch.rand(1, 4, 3), SQUARE, 2, r"subject has shape \(2,\)"),
        (torch.rand(1, 3, 3), SQUARE, 1, "vertices are numbered 0 to 2"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(vertices, faces, labels, text):
    with pytest.raises(DataError, match=text):
        Meshes(vertices, torch.tensor(faces), *torch.zeros(2, labels).long())


@pytest.mark.parametrize(
    ("faces", "n", "text"),
    [
        ([[0, 1, 4]], 4, "face 0 is .* counts from 1"),
        ([[0, 1, -1]], 4, "numbered 0 to 3"),
        ([[0, 1, 2], [0, 3, 3]], 4, "face 1 is .* a corner twice"),
        ([[0, 1, 2], [2, 0, 1], [0, 2, 3]], 4, r"triangle \[0, 1, 2\] occurs twice"),
        ([[0, 1, 2], [0, 1, 3], [1, 0, 4]], 5, r"edge \[0, 1\] belongs to 3 triangles"),
        ([[0, 1, 2]], 4, "vertex 3 belongs to no triangle"),
        ([[0, 1, 2], [3, 4, 5]], 6, "2 pieces .*vertices 0 and 3"),
        ([], 3, "expected"),
    ],
)
def test_check_names_the_fault_of_the_faces(faces, n, text):
    with pytest.raises(DataError, match=text):
        check_mesh(faces, n)


def test_check_names_the_fault_of_the_vertices():
    good = square().vertices.clone()
    check_mesh(SQUARE, 4, good)
    check_mesh(torch.tensor(SQUARE), 4, good[0])
    broken = good.clone()
    broken[1, 2, 0] = math.nan
    with pytest.raises(DataError, match="mesh 1, vertex 2: a coordinate is NaN"):
        check_mesh(SQUARE, 4, broken)
    line = good.clone()
    line[1, 3] = 2 * line[1, 2]
    line[1, 2], line[1, 0] = torch.tensor([1.0, 1, 0]), torch.tensor([0.0, 0, 0])
    with pytest.raises(DataError, match=r"mesh 1, face 1: .* has no area"):
        check_mesh(SQUARE, 4, line)
    with pytest.raises(DataError, match=r"expected \(4, 3\) or"):
        check_mesh(SQUARE, 4, good[0, :3])


# ---- strips --------------------------------------------------------------------------


def test_strips_are_a_sound_mesh_with_eight_poses_per_subject():
    sheets = strips(subjects=3, seed=1)
    assert sheets.meshes.vertices.shape == (24, 120, 3)
    check_mesh(sheets.meshes.faces, 120, sheets.meshes.vertices)
    assert len(sheets.meshes.faces) == 2 * 19 * 5
    assert sheets.meshes.subject.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    signs = sheets.turns.sign().int()
    assert (signs[:, 0] == 1).all() and len(set(map(tuple, signs[:8].tolist()))) == 8
    assert torch.equal(signs[:8], signs[8:16])
    assert TURN[0] <= sheets.turns.abs().min() and sheets.turns.abs().max() <= TURN[1]


def test_same_seed_same_strips():
    a, b, c = strips(2, 2, seed=5), strips(2, 2, seed=5), strips(2, 2, seed=6)
    assert torch.equal(a.meshes.vertices, b.meshes.vertices)
    assert not torch.equal(a.meshes.vertices, c.meshes.vertices)


def test_an_unbent_strip_is_the_flat_sheet():
    identity = torch.tensor([[1.2, 0.3, 0.4]])
    flat, bent = flat_sheets(identity, (5, 3)), bend(identity, torch.zeros(1, 4), (5, 3))
    assert torch.allclose(bent[..., :2].double(), flat, atol=1e-6)
    assert bent[..., 2].abs().max() < 1e-6
    # Length 1.2; width 0.3 times 1 -+ 0.4 / 2 at the ends.
    extent = flat[0].reshape(5, 3, 2)
    assert (extent[-1, 0, 0] - extent[0, 0, 0]).item() == pytest.approx(1.2)
    assert (extent[0, 2, 1] - extent[0, 0, 1]).item() == pytest.approx(0.24)
    assert (extent[-1, 2, 1] - extent[-1, 0, 1]).item() == pytest.approx(0.36)


def test_equal_turns_make_a_circle():
    # Four quarter turns close the strip; its radius is length / (2 pi).
    closed = bend(torch.tensor([[1.0, 0.2, 0.0]]), torch.full((1, 4), math.pi / 2), (9, 2))
    line = closed[0, ::2]
    assert torch.allclose(line[0, [0, 2]], line[-1, [0, 2]], atol=1e-6)
    assert (line[:, 2].max() - line[:, 2].min()).item() == pytest.approx(1 / math.pi, rel=1e-5)
    assert torch.allclose(line[4, [0, 2]], torch.zeros(2), atol=1e-6)


def test_bending_stretches_nothing():
    # On a fine grid the polyline along the strip is as long as the flat one.
    sheets = strips(2, 4, grid=(801, 2), seed=0)
    steps = sheets.meshes.vertices.double().reshape(8, 801, 2, 3).diff(dim=1).norm(dim=-1).sum(1)
    flat = flat_sheets(sheets.identity, (801, 2)).reshape(2, 801, 2, 2).diff(dim=1).norm(dim=-1)
    middle = steps.mean(dim=1), flat.sum(1).mean(dim=1)[sheets.meshes.subject]
    assert torch.allclose(*middle, rtol=1e-4)


def test_geodesics_agree_with_an_exact_solver_and_do_not_see_the_pose():
    import pygeodesic.geodesic as geodesic

    sheets = strips(2, 2, grid=(40, 6), seed=3)
    exact = sheets.geodesics()
    assert torch.equal(exact[0], exact[1]) and not torch.allclose(exact[0], exact[2])
    for k in range(4):
        mesh = sheets.meshes.vertices[k].double().numpy(), sheets.meshes.faces.int().numpy()
        found, _ = geodesic.PyGeodesicAlgorithmExact(*mesh).geodesicDistances(np.array([7]))
        # Chords are a little shorter than arcs.
        assert np.allclose(found, exact[k, 7].numpy(), rtol=0.01, atol=2e-4)


def test_render_mixes_identity_and_pose():
    sheets = strips(2, 3, seed=2)
    same = torch.arange(6)
    assert torch.allclose(sheets.render(same, same), sheets.meshes.vertices, atol=1e-6)
    mixed = sheets.render(torch.tensor([0]), torch.tensor([5]))
    expected = bend(sheets.identity[:1], sheets.turns[5:], sheets.grid)
    assert torch.equal(mixed, expected)


def test_alternate_diagonals():
    assert grid_faces((2, 3)).tolist() == [[0, 3, 4], [0, 4, 1], [1, 4, 2], [4, 5, 2]]


def test_selecting_strips_keeps_geodesics_aligned():
    sheets = strips(3, 2, seed=0)
    assert torch.equal(sheets[torch.tensor([5, 0])].geodesics(), sheets.geodesics()[[5, 0]])


@pytest.mark.parametrize("arguments", [{"subjects": 0}, {"poses": 9}, {"grid": (1, 6)}])
def test_impossible_strips_are_refused(arguments):
    with pytest.raises(EccvkitError, match="grid of at least 2 x 2"):
        strips(**arguments)
