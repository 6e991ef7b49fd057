"""Fewer vertices for registered meshes, all decimated alike so that they stay registered.

The edges are collapsed on one template mesh (quadric error metric, library fast-simplification).
Every vertex that remains becomes a fixed point of a triangle of the template, given by barycentric
weights; the same weights then place it on every other mesh.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eccvkit.data.meshes import Meshes, check_mesh
from eccvkit.errors import DataError, EccvkitError

#: How eagerly edges are collapsed, 0 to 10: triangles get thinner above, and below the collapse
#: stops early (on a sphere of 10,242 vertices 3 stops at 739 vertices, 5 at 33).
_AGGRESSION = 5.0


@dataclass(frozen=True)
class Decimation:
    """A map from the vertices of a fine mesh to those of a coarse one.

    Attributes
    ----------
    corners : Tensor
        (m, 3) int64, the fine vertices around each coarse vertex.
    weights : Tensor
        (m, 3) float32 barycentric weights, nonnegative, rows sum to 1.
    faces : Tensor
        (f, 3) int64 faces of the coarse mesh.
    """

    corners: Tensor
    weights: Tensor
    faces: Tensor

    def __len__(self) -> int:
        return len(self.corners)

    def apply(self, values: Tensor) -> Tensor:
        """Coordinates or other vertex functions (..., n, c) on the coarse vertices (..., m, c)."""
        weights = self.weights.to(values)[..., None]
        return (values[..., self.corners.to(values.device), :] * weights).sum(-2)


def decimation(vertices: Tensor, faces: Tensor, target: int) -> Decimation:
    """Collapse the edges of a template until ``target`` vertices remain.

    Open borders keep all their vertices, so that the outline of a sheet or a garment stays.

    Parameters
    ----------
    vertices : Tensor
        (n, 3), one connected surface.
    faces : Tensor
        (f, 3) int64
    target : int
        Vertices wanted, below n. The result has exactly as many.

    Raises
    ------
    DataError
        The template is no proper surface, see :func:`~eccvkit.data.meshes.check_mesh`.
    EccvkitError
        So few vertices cannot be reached; the message says how many can.
    """
    import fast_simplification

    n = len(vertices)
    points, triangles = vertices.double().cpu().numpy(), faces.cpu().numpy()
    check_mesh(triangles, n, points)
    if not 4 <= target < n:
        raise EccvkitError(f"decimation to {target} of {n} vertices: ask for 4 to {n - 1}")
    # Collapse as far as it goes: each step removes one vertex, so the count is chosen afterwards.
    *_, collapses = fast_simplification.simplify(
        points,
        triangles,
        target_count=0,
        agg=_AGGRESSION,
        return_collapses=True,
        preserve_border=True,
    )
    if target < n - len(collapses):
        raise EccvkitError(
            f"edge collapse of this mesh ends at {n - len(collapses)} of {n} vertices (borders "
            f"keep theirs): ask for at least as many, not {target}"
        )
    coarse, coarse_faces, cluster = fast_simplification.replay_simplification(
        points, triangles, np.ascontiguousarray(collapses[: n - target])
    )
    corners, weights = _attach(coarse, cluster, points, triangles)
    return Decimation(
        torch.from_numpy(corners),
        torch.from_numpy(weights).float(),
        torch.from_numpy(coarse_faces.astype(np.int64)),
    )


def _attach(
    coarse: np.ndarray, cluster: np.ndarray, points: np.ndarray, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest surface point of each coarse vertex, in the triangles of its own cluster.

    A subset of the vertices would be simpler, but folds triangles over; and optimal positions of
    each mesh by itself would slide along its surface.

    Parameters
    ----------
    coarse : (m, 3) array
        Positions of the coarse vertices, near the template.
    cluster : (n,) int array
        The coarse vertex that each fine one was collapsed into.
    points, triangles : (n, 3) and (f, 3) arrays
        The template.

    Returns
    -------
    corners : (m, 3) int array
    weights : (m, 3) array
    """
    from trimesh.triangles import closest_point, points_to_barycentric

    of, face = np.unique(
        np.stack([cluster[triangles].ravel(), np.arange(len(triangles)).repeat(3)], axis=1), axis=0
    ).T
    nearest = closest_point(points[triangles[face]], coarse[of])
    distance = np.linalg.norm(nearest - coarse[of], axis=1)
    order = np.lexsort((distance, of))
    best = order[np.unique(of[order], return_index=True)[1]]
    corners = triangles[face[best]]
    weights = points_to_barycentric(points[corners], nearest[best]).clip(0)
    return corners, weights / weights.sum(axis=1, keepdims=True)


def decimate(meshes: Meshes, target: int) -> Meshes:
    """Decimate registered meshes alike, with the first one as template.

    Sets that are read apart (training and test) need one :func:`decimation` for both.

    Parameters
    ----------
    meshes : Meshes
    target : int
        Vertices wanted. The result has exactly as many, or is ``meshes`` itself if they have no
        more than that.

    Returns
    -------
    Meshes
        Checked with :func:`~eccvkit.data.meshes.check_mesh`, registered like the input, with the
        same labels.

    Raises
    ------
    DataError
        The first mesh is no proper surface, or a decimated one is none.
    EccvkitError
        So few vertices cannot be reached; the message says how many can.

    Examples
    --------
    >>> from eccvkit.data.meshes import strips
    >>> small = decimate(strips(subjects=2, poses=2).meshes, 80)
    >>> tuple(small.vertices.shape), small.subject.tolist()
    ((4, 80, 3), [0, 0, 1, 1])
    """
    if target >= meshes.vertices.shape[1]:
        return meshes
    small = decimation(meshes.vertices[0], meshes.faces, target)
    vertices, faces = small.apply(meshes.vertices), small.faces.to(meshes.faces.device)
    try:
        check_mesh(faces.cpu(), target, vertices.cpu())
    except DataError as error:
        raise DataError(
            f"decimated to {target} vertices the meshes are no proper surfaces ({error}): "
            "try a slightly larger target"
        ) from error
    return Meshes(vertices, faces, meshes.subject, meshes.pose)


def largest_piece(meshes: Meshes) -> Meshes:
    """Keep the connected piece with the most vertices (a face without its loose eyeballs).

    Vertices without triangles go too. The order of the remaining vertices stays.
    """
    from trimesh.graph import connected_component_labels

    n = meshes.vertices.shape[1]
    faces = meshes.faces.cpu().numpy()
    edges = faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    label = connected_component_labels(edges, node_count=n)
    keep = label == np.bincount(label).argmax()
    number = np.cumsum(keep) - 1
    kept_faces = torch.from_numpy(number[faces[keep[faces[:, 0]]]]).to(meshes.faces.device)
    kept = torch.from_numpy(keep).to(meshes.vertices.device)
    return Meshes(meshes.vertices[:, kept], kept_faces, meshes.subject, meshes.pose)
