"""The differentiable heat method of paper 2 against a loop, a library, and exact distances."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from benchmarks.bench import Figure, best_of
from eccvkit.data.meshes import strips
from eccvkit.papers.limp import heat


def geodesics_by_loop(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """The same distances mesh by mesh and source by source: two solves for each source."""
    n = vertices.shape[1]
    result = []
    for mesh in vertices.unsqueeze(1):
        weights, areas = heat.triangles(mesh, faces)
        stiffness = heat.laplacian(weights, faces, n)
        mass = torch.diag_embed(heat.lumped_mass(areas, faces, n))
        t = heat.mean_edge(mesh, faces).square()
        diffusion = torch.linalg.cholesky(mass + t * stiffness)
        poisson = torch.linalg.cholesky(stiffness + 1 / n)
        columns = []
        for source in range(n):
            spike = torch.zeros(1, n, 1, dtype=mesh.dtype)
            spike[:, source] = 1
            u = torch.cholesky_solve(spike, diffusion)
            phi = torch.cholesky_solve(-heat.unit_divergence(u, weights, areas, faces), poisson)
            columns.append(phi - phi[:, source : source + 1])
        phi = torch.cat(columns, dim=-1)
        result.append((phi + phi.mT) / 2)
    return torch.cat(result)


def geodesics_by_potpourri3d(vertices: torch.Tensor, faces: torch.Tensor) -> None:
    """The heat solver of potpourri3d, built for each mesh and asked for each source."""
    import potpourri3d as pp3d

    triangles = faces.numpy()
    for mesh in vertices.numpy():
        solver = pp3d.MeshHeatMethodDistanceSolver(mesh, triangles)
        for source in range(len(mesh)):
            solver.compute_distance(source)


def limp() -> Iterator[Figure]:
    """16 strips of 128 vertices, all pairs of vertices, one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    meshes = strips(subjects=2, poses=8, grid=(16, 8), seed=500).meshes
    vertices, faces = meshes.vertices.double(), meshes.faces

    def with_gradient(geodesics: Callable) -> Callable[[], None]:
        def call() -> None:
            leaf = vertices.clone().requires_grad_()
            geodesics(leaf, faces).square().mean().backward()

        return call

    slow = best_of({"loop": with_gradient(geodesics_by_loop)}, rounds=1)
    best = best_of(
        {
            "batch": with_gradient(heat.heat_geodesics),
            "forward": lambda: heat.heat_geodesics(vertices, faces),
            "library": lambda: geodesics_by_potpourri3d(vertices, faces),
        },
        rounds=7,
    )
    torch.set_num_threads(threads)
    yield Figure(
        "heat geodesics, forward and backward: loop over the batch",
        slow["loop"] / best["batch"],
        at_least=5,
        note=f"{slow['loop']:.2f} s over {best['batch']:.3f} s, 16 meshes of 128 vertices",
    )
    yield Figure(
        "heat geodesics, forward: ours over potpourri3d",
        best["forward"] / best["library"],
        at_most=3,
        note=f"{1000 * best['forward']:.0f} ms over {1000 * best['library']:.0f} ms",
    )
    sheets = strips(subjects=8, poses=8, seed=500)
    found = heat.heat_geodesics(sheets.meshes.vertices, sheets.meshes.faces)
    exact = sheets.geodesics()
    yield Figure(
        "heat geodesics on strips: mean relative error",
        100 * ((found - exact).abs().mean() / exact.mean()).item(),
        unit="%",
        at_most=3.5,
        note="64 strips of 20 x 6 vertices against flat distances, t = h^2",
    )
