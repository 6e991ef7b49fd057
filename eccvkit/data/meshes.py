"""Registered triangle meshes: the container, the check, and strips whose geodesics are exact.

Registered means that all meshes of a set share their faces, so that vertex k is the same point of
every shape. :func:`strips` bends flat sheets: bending is an isometry, so the geodesic distance
between two vertices is their straight distance on the flat sheet, for every pose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from eccvkit.errors import DataError, EccvkitError


@dataclass(frozen=True)
class Meshes:
    """Meshes that share their faces.

    Attributes
    ----------
    vertices : Tensor
        (B, n, 3) float32
    faces : Tensor
        (f, 3) int64, indices into the n vertices.
    subject, pose : Tensor
        (B,) int64 labels: who it is, and how it stands.

    Raises
    ------
    DataError
        Shapes that do not fit each other, or faces that name a vertex that does not exist.
    """

    vertices: Tensor
    faces: Tensor
    subject: Tensor
    pose: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.vertices.shape)
        if len(shape) != 3 or shape[2] != 3:
            raise DataError(f"vertices have shape {shape}: expected (meshes, vertices, 3)")
        if self.faces.ndim != 2 or self.faces.shape[1] != 3 or not len(self.faces):
            raise DataError(f"faces have shape {tuple(self.faces.shape)}: expected (f, 3), f > 0")
        for name in ("subject", "pose"):
            labels = getattr(self, name)
            if tuple(labels.shape) != shape[:1]:
                raise DataError(f"{name} has shape {tuple(labels.shape)}: expected {shape[:1]}")
        _check_range(self.faces.cpu().numpy(), shape[1])

    def __len__(self) -> int:
        return len(self.vertices)

    def __getitem__(self, index) -> Meshes:
        """The meshes that an index tensor, a boolean mask or a slice selects."""
        return Meshes(self.vertices[index], self.faces, self.subject[index], self.pose[index])

    def to(self, device: torch.device | str) -> Meshes:
        """The same meshes on another device."""
        parts = (self.vertices, self.faces, self.subject, self.pose)
        return Meshes(*(part.to(device) for part in parts))


def stack_meshes(parts: Sequence[Meshes]) -> Meshes:
    """Join sets of meshes that share their faces.

    Raises
    ------
    DataError
        Nothing to join, or a part has other vertices or faces than the first.
    """
    if not parts:
        raise DataError("stack_meshes: no meshes given")
    first = parts[0]
    for number, part in enumerate(parts[1:], start=1):
        if part.vertices.shape[1] != first.vertices.shape[1]:
            raise DataError(
                f"meshes {number} have {part.vertices.shape[1]} vertices, meshes 0 have "
                f"{first.vertices.shape[1]}: register them to one template first"
            )
        if not torch.equal(part.faces, first.faces):
            raise DataError(
                f"meshes {number} have other faces than meshes 0: register them to one template "
                "and decimate all of them alike"
            )
    return Meshes(
        torch.cat([part.vertices for part in parts]),
        first.faces,
        torch.cat([part.subject for part in parts]),
        torch.cat([part.pose for part in parts]),
    )


# --------------------------------------------------------------------------------------
# The check
# --------------------------------------------------------------------------------------


def _check_range(faces: np.ndarray, n: int) -> None:
    bad = ((faces < 0) | (faces >= n)).any(axis=1)
    if bad.any():
        k = int(bad.argmax())
        raise DataError(
            f"face {k} is {faces[k].tolist()} but vertices are numbered 0 to {n - 1}: the file is "
            "damaged or counts from 1"
        )


def check_mesh(faces: ArrayLike, n: int, vertices: ArrayLike | None = None) -> None:
    """Refuse what the Laplacian of a surface cannot digest; the message names the first fault.

    Parameters
    ----------
    faces : (f, 3) int array or Tensor
    n : int
        Number of vertices.
    vertices : (n, 3) or (B, n, 3) array or Tensor, optional
        Also look for coordinates that are not finite and for triangles without area.

    Raises
    ------
    DataError
        An index out of range, a triangle with a corner twice or without area, a triangle twice, an
        edge of more than two triangles, a vertex without triangle, more than one connected piece,
        or a coordinate that is NaN or infinite.
    """
    faces = np.asarray(faces)
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
        raise DataError(f"faces have shape {faces.shape}: expected (f, 3) with f > 0")
    _check_range(faces, n)
    ordered = np.sort(faces, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if repeated.any():
        k = int(repeated.argmax())
        raise DataError(f"face {k} is {faces[k].tolist()}, a corner twice: remove the triangle")
    unique, first, counts = np.unique(ordered, axis=0, return_index=True, return_counts=True)
    if len(unique) < len(ordered):
        corners = faces[first[counts > 1][0]].tolist()
        raise DataError(f"triangle {corners} occurs twice: remove the copy")
    _check_edges(ordered)
    _check_connected(ordered, n)
    if vertices is not None:
        _check_geometry(faces, n, np.asarray(vertices, dtype=np.float64))


def _check_edges(ordered: np.ndarray) -> None:
    edges = np.concatenate([ordered[:, [0, 1]], ordered[:, [1, 2]], ordered[:, [0, 2]]])
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    if counts.max() > 2:
        k = int(counts.argmax())
        raise DataError(
            f"edge {unique[k].tolist()} belongs to {counts[k]} triangles: a surface has at most "
            "two there; repair the mesh"
        )


def _check_connected(faces: np.ndarray, n: int) -> None:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    used = np.zeros(n, dtype=bool)
    used[faces] = True
    if not used.all():
        raise DataError(
            f"vertex {int((~used).argmax())} belongs to no triangle ({int((~used).sum())} such "
            "vertices): remove it"
        )
    rows, columns = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    pieces, label = connected_components(links, directed=False)
    if pieces > 1:
        other = int((label != label[0]).argmax())
        raise DataError(
            f"the mesh falls into {pieces} pieces (vertices 0 and {other} are not connected): "
            "geodesic distances between pieces do not exist; keep one piece"
        )


def _check_geometry(faces: np.ndarray, n: int, vertices: np.ndarray) -> None:
    if vertices.shape[-2:] != (n, 3) or vertices.ndim > 3:
        raise DataError(f"vertices have shape {vertices.shape}: expected ({n}, 3) or (B, {n}, 3)")
    vertices = vertices.reshape(-1, n, 3)
    finite = np.isfinite(vertices).all(axis=2)
    if not finite.all():
        mesh, vertex = np.argwhere(~finite)[0].tolist()
        raise DataError(f"mesh {mesh}, vertex {vertex}: a coordinate is NaN or infinite")
    a, b, c = (vertices[:, faces[:, k]] for k in range(3))
    double_area = np.linalg.norm(np.cross(b - a, c - a), axis=2)
    longest = np.maximum(np.square(b - a).sum(2), np.square(c - a).sum(2))
    flat = double_area <= 1e-10 * np.maximum(longest, np.square(c - b).sum(2))
    if flat.any():
        mesh, face = np.argwhere(flat)[0].tolist()
        raise DataError(
            f"mesh {mesh}, face {face}: triangle {faces[face].tolist()} has no area; collapse it"
        )


# --------------------------------------------------------------------------------------
# Strips
# --------------------------------------------------------------------------------------

#: Segments of the centre line, each with a bend of its own.
SEGMENTS = 4
#: Bend of a segment in radians, for either sign.
TURN = (1.0, 1.55)
#: Length, width and taper of a sheet.
LENGTH, WIDTH, TAPER = (0.8, 1.2), (0.25, 0.35), (-0.4, 0.4)


@dataclass(frozen=True)
class Strips:
    """Bent sheets of several identities, with everything that made them.

    Attributes
    ----------
    meshes : Meshes
        ``pose`` counts the sign patterns of the bends, 0 to 7.
    identity : Tensor
        (subjects, 3) length, width, taper; ``meshes.subject`` points into it.
    turns : Tensor
        (B, 4) bend of each segment in radians.
    grid : tuple of int
        Vertices along and across the sheet.
    """

    meshes: Meshes
    identity: Tensor
    turns: Tensor
    grid: tuple[int, int]

    def __len__(self) -> int:
        return len(self.meshes)

    def __getitem__(self, index) -> Strips:
        """The strips that an index tensor or a boolean mask selects."""
        return Strips(self.meshes[index], self.identity, self.turns[index], self.grid)

    def geodesics(self) -> Tensor:
        """Exact geodesic distances (B, n, n), float64: straight distances on the flat sheets."""
        flat = flat_sheets(self.identity, self.grid)
        return torch.cdist(flat, flat)[self.meshes.subject]

    def render(self, identity_of: Tensor, pose_of: Tensor) -> Tensor:
        """The shapes with the identity of some strips and the pose of others.

        Parameters
        ----------
        identity_of, pose_of : Tensor
            (P,) positions in this set.

        Returns
        -------
        Tensor
            (P, n, 3) float32
        """
        own = self.identity[self.meshes.subject[identity_of]]
        return bend(own, self.turns[pose_of], self.grid)


def strips(
    subjects: int = 6, poses: int = 8, grid: tuple[int, int] = (20, 6), seed: int = 0
) -> Strips:
    """Sheets of several identities, each bent in several poses.

    An identity is a length, a width and a taper: identities are not isometric. A pose is a bend of
    at least one radian for each of four segments of the centre line, like fingers; its label is
    the pattern of signs. The first sign is always positive, because distances cannot tell a shape
    from its mirror image. The sizes of the bends are drawn afresh for every mesh, so no two
    subjects take exactly the same pose.

    Parameters
    ----------
    subjects : int
    poses : int
        Sign patterns per subject, 1 to 8.
    grid : tuple of int
        Vertices along and across a sheet, at least 2 each.
    seed : int

    Raises
    ------
    EccvkitError
        A number out of range.

    Examples
    --------
    >>> sheets = strips(subjects=2, poses=3)
    >>> tuple(sheets.meshes.vertices.shape), sheets.meshes.pose.tolist()
    ((6, 120, 3), [0, 1, 2, 0, 1, 2])
    """
    patterns = torch.tensor(list(product((1, -1), repeat=SEGMENTS - 1)))
    if subjects < 1 or not 1 <= poses <= len(patterns) or min(grid) < 2:
        raise EccvkitError(
            f"strips: {subjects} subject(s), {poses} pose(s), grid {grid}; use at least one "
            f"subject, 1 to {len(patterns)} poses, and a grid of at least 2 x 2"
        )
    draw = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=draw, dtype=torch.float64)

    ranges = (LENGTH, WIDTH, TAPER)
    identity = torch.cat([uniform(subjects, 1, low=a, high=b) for a, b in ranges], dim=1)
    subject = torch.arange(subjects).repeat_interleave(poses)
    pose = torch.arange(poses).repeat(subjects)
    signs = torch.cat([torch.ones(len(pose), 1), patterns[pose]], dim=1)
    turns = signs * uniform(len(pose), SEGMENTS, low=TURN[0], high=TURN[1])
    vertices = bend(identity[subject], turns, grid)
    return Strips(Meshes(vertices, grid_faces(grid), subject, pose), identity, turns, grid)


def grid_faces(grid: tuple[int, int]) -> Tensor:
    """Two triangles per cell of a grid, diagonals alternating, (f, 3) int64."""
    columns, rows = grid
    faces = []
    for i, j in product(range(columns - 1), range(rows - 1)):
        a, b = i * rows + j, (i + 1) * rows + j
        if (i + j) % 2:
            faces += [(a, b, a + 1), (b, b + 1, a + 1)]
        else:
            faces += [(a, b, b + 1), (a, b + 1, a + 1)]
    return torch.tensor(faces)


def flat_sheets(identity: Tensor, grid: tuple[int, int]) -> Tensor:
    """Vertices of the unbent sheets, (B, n, 2): along and across, with the middle at zero.

    Parameters
    ----------
    identity : Tensor
        (B, 3) length, width, taper. The outline is a convex trapezoid.
    """
    length, width, taper = identity.double()[:, :, None, None].unbind(1)
    u = torch.linspace(-0.5, 0.5, grid[0], dtype=torch.float64)[:, None]
    v = torch.linspace(-0.5, 0.5, grid[1], dtype=torch.float64)[None, :]
    along, across = torch.broadcast_tensors(length * u, width * (1 + taper * u) * v)
    return torch.stack([along, across], dim=-1).flatten(1, 2)


def bend(identity: Tensor, turns: Tensor, grid: tuple[int, int]) -> Tensor:
    """Bend flat sheets along their length without stretching them.

    Parameters
    ----------
    identity : Tensor
        (B, 3) length, width, taper.
    turns : Tensor
        (B, 4) bend of each quarter of the centre line in radians; every quarter becomes an arc.
    grid : tuple of int
        Vertices along and across.

    Returns
    -------
    Tensor
        (B, n, 3) float32. The middle of the strip is the origin, its tangent the x axis, and the
        width runs along y.
    """
    flat = flat_sheets(identity, grid)
    u = flat[:, :, 0] / identity.double()[:, :1] + 0.5
    middle = torch.full_like(u[:, :1], 0.5)
    line = _centre_line(u, identity, turns) - _centre_line(middle, identity, turns)
    return torch.stack([line[..., 0], flat[:, :, 1], line[..., 1]], dim=-1).float()


def _centre_line(u: Tensor, identity: Tensor, turns: Tensor) -> Tensor:
    """Points (B, m, 2) of the bent line at shares u (B, m) of its length: a chain of arcs."""
    length, turns = identity.double()[:, :1, None], turns.double()
    # Tangent at the start of each arc, chosen so that the tangent at the middle is the x axis.
    start = turns.cumsum(1) - turns - turns[:, : SEGMENTS // 2].sum(1, keepdim=True)
    share = (SEGMENTS * u[..., None] - torch.arange(SEGMENTS)).clamp(0, 1)
    half_angle = turns[:, None] * share / 2
    # The chord of an arc: its length times sin(h)/h, in the direction of its middle.
    chord = length / SEGMENTS * share * torch.sinc(half_angle / torch.pi)
    direction = start[:, None] + half_angle
    return torch.stack([chord * direction.cos(), chord * direction.sin()], dim=-1).sum(-2)
