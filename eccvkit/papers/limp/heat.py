r"""Geodesic distances by the heat method, differentiable in the vertices (Sect. 3.3, [13]).

Heat that spreads from a vertex for a short time t falls off fastest along shortest paths: its
gradient has the right direction, though not the right size. Three steps, smooth in the vertices:

1. diffuse: :math:`(M + tL)\,u = \delta_s`,
2. normalise: :math:`X = -\nabla u / |\nabla u|`,
3. integrate: :math:`L\,\phi = -\nabla\cdot X`, and shift :math:`\phi` to zero at the source.

M is the lumped mass matrix and L the positive semidefinite cotangent Laplacian. Everything is dense
and batched, and runs in float64: heat falls by a factor e per edge, and L is singular.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: Keeps roots and quotients finite where a triangle or a gradient vanishes. Far from the source
#: the squared gradient is of the order exp(-2 d / h), so it must be very small.
TINY = 1e-80


def triangles(vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Half cotangents and areas of all triangles.

    Parameters
    ----------
    vertices : Tensor
        (B, n, 3)
    faces : Tensor
        (f, 3)

    Returns
    -------
    Tensor, Tensor
        (B, f, 3): half the cotangent at each corner, which is the weight of the opposite edge;
        (B, f): areas.
    """
    a, b, c = (vertices[:, faces[:, k]] for k in range(3))
    double_area = torch.linalg.cross(b - a, c - a).square().sum(-1).add(TINY).sqrt()
    # cot = cos / sin = dot / |cross| of the two edges that meet at the corner.
    dots = [((b - a) * (c - a)), ((c - b) * (a - b)), ((a - c) * (b - c))]
    cotangents = torch.stack([dot.sum(-1) for dot in dots], dim=-1) / double_area.unsqueeze(-1)
    return cotangents / 2, double_area / 2


def laplacian(weights: Tensor, faces: Tensor, n: int) -> Tensor:
    """Cotangent Laplacian (B, n, n): symmetric, positive semidefinite, rows sum to zero.

    Parameters
    ----------
    weights : Tensor
        (B, f, 3) half cotangents of :func:`triangles`.
    """
    start, end = _edges(faces)
    off = weights.new_zeros(len(weights), n * n).index_add(1, start * n + end, weights.flatten(1))
    off = off.unflatten(1, (n, n))
    off = off + off.mT
    return torch.diag_embed(off.sum(-1)) - off


def lumped_mass(areas: Tensor, faces: Tensor, n: int) -> Tensor:
    """A third of the area of its triangles for every vertex, (B, n)."""
    mass = areas.new_zeros(len(areas), n)
    return mass.index_add(1, faces.flatten(), areas.repeat_interleave(3, dim=1) / 3)


def _edges(faces: Tensor) -> tuple[Tensor, Tensor]:
    """Ends of the edge opposite each corner, (3 f,) each, in the order of ``faces.flatten()``."""
    return faces[:, [1, 2, 0]].flatten(), faces[:, [2, 0, 1]].flatten()


def mean_edge(vertices: Tensor, faces: Tensor) -> Tensor:
    """Mean edge length h of each mesh (B,); an inner edge counts once per triangle."""
    start, end = _edges(faces)
    return (vertices[:, end] - vertices[:, start]).square().sum(-1).add(TINY).sqrt().mean(1)


def unit_divergence(heat: Tensor, weights: Tensor, areas: Tensor, faces: Tensor) -> Tensor:
    r"""Divergence of :math:`X=-\nabla u/|\nabla u|`, integrated over the cell of each vertex.

    On a triangle u is linear, so along an edge the gradient is the difference of u between its
    ends. With the edge weights w of the triangle this gives both parts without any 3D vector: the
    length from the Dirichlet energy, :math:`A|\nabla u|^2=\sum_e w_e(\delta_e u)^2`, and the flow
    of X across the cell boundary, :math:`-w_e\,\delta_e u/|\nabla u|` from one end to the other.

    Parameters
    ----------
    heat : Tensor
        (B, n, s) heat at every vertex, one column per source.
    weights, areas : Tensor
        (B, f, 3) and (B, f) of :func:`triangles`.
    faces : Tensor
        (f, 3)

    Returns
    -------
    Tensor
        (B, n, s); every column sums to zero.
    """
    start, end = _edges(faces)
    step = (heat[:, end] - heat[:, start]).unflatten(1, faces.shape)
    flow = weights.unsqueeze(-1) * step
    squared = (flow * step).sum(2) / areas.unsqueeze(-1)
    flow = (flow * squared.clamp(min=0).add(TINY).rsqrt().unsqueeze(2)).flatten(1, 2)
    divergence = torch.zeros_like(heat)
    return divergence.index_add(1, end, flow).index_add(1, start, -flow)


def heat_geodesics(
    vertices: Tensor,
    faces: Tensor,
    time: float | None = None,
    *,
    divergence: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = unit_divergence,
) -> Tensor:
    """All pairwise geodesic distances by the heat method.

    Parameters
    ----------
    vertices : Tensor
        (B, n, 3); gradients flow into them through both solves.
    faces : Tensor
        (f, 3), shared; see :func:`eccvkit.data.meshes.check_mesh` for what it must satisfy.
    time : float, optional
        Diffusion time t; the squared mean edge length of each mesh if not given, as [13] suggests
        (the paper names no value).
    divergence : callable
        Second step; a reader's own goes here.

    Returns
    -------
    Tensor
        (B, n, n) float64: symmetric, zero on the diagonal.

    Examples
    --------
    A square of two triangles; the diagonal is an edge.

    >>> corners = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]])
    >>> distances = heat_geodesics(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    >>> tuple(distances.shape), bool((distances == distances.mT).all())
    ((1, 4, 4), True)
    """
    vertices = vertices.double()
    n = vertices.shape[1]
    weights, areas = triangles(vertices, faces)
    stiffness = laplacian(weights, faces, n)
    mass = torch.diag_embed(lumped_mass(areas, faces, n))
    t = mean_edge(vertices, faces).square()[:, None, None] if time is None else time
    heat = spd_inverse(mass + t * stiffness)
    # L is singular only on constants, and the divergence has none: adding 1/n to every entry makes
    # L invertible and leaves the solution alone.
    potential = spd_inverse(stiffness + 1 / n) @ -divergence(heat, weights, areas, faces)
    potential = potential - potential.diagonal(dim1=1, dim2=2).unsqueeze(1)
    return (potential + potential.mT) / 2


class _SpdInverse(torch.autograd.Function):
    """Inverse of symmetric positive definite matrices by Cholesky."""

    @staticmethod
    def forward(ctx, matrix: Tensor) -> Tensor:
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if failed.any():
            # A collapsed decoding: NaN reaches the loss, and the training loop names the step.
            factor = torch.where(failed[:, None, None] > 0, torch.nan, factor)
        inverse = torch.cholesky_inverse(factor)
        ctx.save_for_backward(inverse)
        return inverse

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (inverse,) = ctx.saved_tensors
        return -(inverse @ grad @ inverse)


def spd_inverse(matrix: Tensor) -> Tensor:
    """Inverse of symmetric positive definite matrices (B, n, n).

    Cholesky costs half of a general inverse, and with the backward pass written out the gradient is
    two products instead of a differentiated factorisation.
    """
    return _SpdInverse.apply(matrix)
