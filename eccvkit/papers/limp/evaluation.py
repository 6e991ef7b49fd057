"""How the arms of paper 2 are measured: by exact geodesics, and without knowing the arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from eccvkit.metrics.procrustes import procrustes
from eccvkit.papers.limp.config import Config
from eccvkit.papers.limp.losses import euclidean_distances, mix
from eccvkit.papers.limp.network import ShapeVAE, swap_extrinsic
from eccvkit.papers.limp.tasks import Task

#: Where interpolations are measured.
ALPHAS = (0.25, 0.5, 0.75)
#: Largest number of pairs whose extrinsic codes are swapped.
_SWAPS = 200

#: Shapes (P, n, 3) at share alpha of the way between the shapes of pairs (P, 2).
Between = Callable[[Tensor, float], Tensor]


def exact_geodesics(vertices: Tensor, faces: Tensor, sources: Sequence[int]) -> Tensor:
    """Exact geodesic distances from some vertices over the triangles, by pygeodesic.

    Parameters
    ----------
    vertices : Tensor
        (B, n, 3)
    faces : Tensor
        (f, 3)
    sources : sequence of int
        s vertices.

    Returns
    -------
    Tensor
        (B, s, n) float64, without gradient: for measuring, never for training.
    """
    from pygeodesic import geodesic

    triangles = faces.cpu().numpy().astype(np.int32)
    distances = []
    for shape in vertices.detach().double().cpu().numpy():
        solver = geodesic.PyGeodesicAlgorithmExact(shape, triangles)
        distances.append([solver.geodesicDistances(np.array([s]))[0] for s in sources])
    return torch.as_tensor(np.array(distances)).reshape(len(vertices), len(sources), -1)


def edge_lengths(vertices: Tensor, faces: Tensor) -> Tensor:
    """Length of every edge, each once: (B, e)."""
    ends = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [0, 2]]]).sort(dim=1)[0]
    start, end = ends.unique(dim=0).unbind(1)
    return (vertices[:, start] - vertices[:, end]).norm(dim=-1)


def spread_sources(n: int, count: int) -> list[int]:
    """At most ``count`` vertices, spread evenly over the numbering."""
    return np.unique(np.linspace(0, n - 1, count).round().astype(int)).tolist()


def evaluation_pairs(task: Task, count: int, seed: int) -> dict[str, Tensor]:
    """Pairs (P, 2) of training shapes: poses differing in one or two bends, and equal patterns."""
    wanted = {"": (task.differing == 1) | (task.differing == 2), " same": task.differing == 0}
    draw = torch.Generator().manual_seed(seed)
    chosen = {}
    for name, allowed in wanted.items():
        pairs = allowed.triu(1).nonzero()
        if len(pairs):
            chosen[name] = pairs[torch.randperm(len(pairs), generator=draw)[:count]]
    return chosen


def interpolation_errors(
    task: Task, pairs: Tensor, between: Between, alpha: float, sources: Sequence[int]
) -> tuple[float, float]:
    r"""Geodesic and edge-length error of the shapes between pairs.

    Parameters
    ----------
    pairs : Tensor
        (P, 2) positions in ``task.train``.
    between : callable
        ``between(pairs, alpha) -> (P, n, 3)``.

    Returns
    -------
    float, float
        Mean of :math:`|D_g(Y) - ((1-\alpha)D_g(X_i)+\alpha D_g(X_j))|` over the mean of the
        right-hand side; mean of the same difference for edges, over the length of each edge.
    """
    faces = task.train.faces.cpu()
    ends, position = pairs.unique(return_inverse=True)
    shapes = task.train.vertices.cpu()[ends]
    found = between(pairs, alpha).cpu()
    weight = torch.full((len(pairs),), alpha)

    def difference(measure: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        own = measure(shapes)
        true = mix(own[position[:, 0]], own[position[:, 1]], weight)
        return (measure(found) - true).abs(), true

    geodesic, true = difference(lambda x: exact_geodesics(x, faces, sources))
    edges, lengths = difference(lambda x: edge_lengths(x, faces))
    return (geodesic.mean() / true.mean()).item(), (edges / lengths).mean().item()


def vertex_blend(task: Task) -> Between:
    """Straight paths of the vertices after Procrustes alignment: no network at all."""

    def between(pairs: Tensor, alpha: float) -> Tensor:
        first, second = (task.train.vertices[k] for k in pairs.unbind(1))
        aligned = procrustes(second, first, reflection=True).aligned
        return mix(first, aligned, torch.full((len(pairs),), alpha, device=first.device))

    return between


def latent_blend(net: ShapeVAE, task: Task) -> Between:
    """Decodings of straight paths between the mean codes."""
    codes = encode(net, task.train.vertices)

    @torch.no_grad()
    def between(pairs: Tensor, alpha: float) -> Tensor:
        first, second = (codes[k] for k in pairs.unbind(1))
        return net.decode(mix(first, second, torch.full((len(pairs),), alpha, device=codes.device)))

    return between


@torch.no_grad()
def encode(net: ShapeVAE, shapes: Tensor) -> Tensor:
    """Mean codes (B, d) in evaluation mode."""
    net.eval()
    return net.encode(shapes)[0]


def nearest_accuracy(codes: Tensor, labels: Tensor) -> float:
    """Share of rows (N, d) whose nearest other row has the same label."""
    distances = torch.cdist(codes, codes).fill_diagonal_(float("inf"))
    return (labels[distances.argmin(dim=1)] == labels).double().mean().item()


def interpolation_metrics(
    config: Config, task: Task, seed: int, between: Between
) -> dict[str, float]:
    """Means over :data:`ALPHAS`: ``interp``, ``edge``, and both for pairs of equal pattern."""
    sources = spread_sources(task.train.vertices.shape[1], config.eval_sources)
    metrics = {}
    for name, pairs in evaluation_pairs(task, config.eval_pairs, seed).items():
        errors = [interpolation_errors(task, pairs, between, a, sources) for a in ALPHAS]
        metrics["interp" + name], metrics["edge" + name] = np.mean(errors, axis=0).tolist()
    return metrics


@torch.no_grad()
def point_error(decoded: Tensor, true: Tensor) -> float:
    """Mean distance of corresponding points after rigid alignment, mirror images allowed."""
    return (procrustes(decoded, true, reflection=True).aligned - true).norm(dim=-1).mean().item()


@torch.no_grad()
def swap_error(net: ShapeVAE, task: Task, seed: int) -> float:
    """Disentanglement error: mean distance of points after the extrinsic codes were swapped.

    The decoding of (intrinsic i | extrinsic j) is laid onto the true shape with identity i and pose
    j, mirror images allowed; pairs differ in subject and in pose.
    """
    meshes = task.train
    subject, pose = meshes.subject.cpu(), meshes.pose.cpu()
    other = (subject[:, None] != subject) & (pose[:, None] != pose)
    pairs = other.nonzero()
    draw = torch.Generator().manual_seed(seed)
    i, j = pairs[torch.randperm(len(pairs), generator=draw)[:_SWAPS]].unbind(1)
    codes = encode(net, meshes.vertices)
    decoded = net.decode(swap_extrinsic(codes, i, j, net.extrinsic)).cpu()
    return point_error(decoded, task.truth(i, j).cpu())


@torch.no_grad()
def evaluate(config: Config, net: ShapeVAE, task: Task, seed: int) -> dict[str, float]:
    """Every measure of a trained network.

    Returns
    -------
    dict of float
        ``recon``: mean error of Euclidean distances over their mean. ``points``: the same
        reconstructions by :func:`point_error`, which also sees a part folded the wrong way.
        ``interp``, ``edge``: see :func:`interpolation_metrics`. With several subjects also
        ``disent`` (:func:`swap_error`), and leave-one-out nearest-neighbour accuracies over
        training and held-out shapes: ``identity int`` reads the identity off the intrinsic code,
        and so on; ``identity gap`` and ``pose gap`` say by how much the right part beats the wrong
        one, ``intrinsic gap`` by how much the intrinsic code shows identity better than pose.
    """
    shapes = task.train.vertices
    codes = encode(net, shapes)
    decoded = net.decode(codes)
    true, found = euclidean_distances(shapes), euclidean_distances(decoded)
    metrics = {
        "recon": ((found - true).abs().sum() / true.sum()).item(),
        "points": point_error(decoded, shapes),
    }
    metrics |= interpolation_metrics(config, task, seed, latent_blend(net, task))
    if config.subjects > 1:
        metrics["disent"] = swap_error(net, task, seed)
        metrics |= _nearest_neighbours(net, task, codes)
    return metrics


def _nearest_neighbours(net: ShapeVAE, task: Task, codes: Tensor) -> dict[str, float]:
    codes = torch.cat([codes, encode(net, task.test.vertices)])
    parts = {"int": codes[:, : -net.extrinsic], "ext": codes[:, -net.extrinsic :]}
    labels = {
        "identity": torch.cat([task.train.subject, task.test.subject]),
        "pose": torch.cat([task.train.pose, task.test.pose]),
    }
    metrics = {
        f"{what} {part}": nearest_accuracy(code, of)
        for what, of in labels.items()
        for part, code in parts.items()
    }
    metrics["identity gap"] = metrics["identity int"] - metrics["identity ext"]
    metrics["pose gap"] = metrics["pose ext"] - metrics["pose int"]
    metrics["intrinsic gap"] = metrics["identity int"] - metrics["pose int"]
    return metrics
