"""Batched MAP triangulation of paper 32 against SciPy, and the cost of matching against N."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.bench import Figure
from eccvkit.data.crowd import Noise, detect, draw_crowd
from eccvkit.data.people import BODY
from eccvkit.papers import crowded_mvpose as cm


def body_problem(seed: int, people: int = 16) -> cm.Problem:
    """16 people, 17 joints, 4 views: truly matched detections that are off by 5 px."""
    crowd = draw_crowd(people, 2.5, np.random.default_rng(seed))
    found = detect(crowd, Noise(5, miss=0, occlusion=False), np.random.default_rng([seed, 1]))
    groups = np.stack([np.argsort(view.person) for view in found], axis=1)
    whole = cm.pose_problem(groups, found, crowd.cameras, sigma_0=4.0)
    inner = (whole.bones < BODY).all(dim=1)
    return cm.Problem(
        whole.pixels[:, :BODY], whole.weights[:, :BODY], whole.cameras,
        whole.bones[inner], whole.lengths[inner], whole.bone_weights[inner],
    )  # fmt: skip


def crowded_mvpose() -> Iterator[Figure]:
    """One thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    problem = body_problem(seed=500)
    start = cm.starting_point(problem)
    best = np.inf
    for _ in range(5):
        started = time.perf_counter()
        estimate = cm.minimise(problem, start, evaluations=200)
        best = min(best, time.perf_counter() - started)
    started = time.perf_counter()
    singles = [cm.solve_with_scipy(problem, start, person) for person in range(len(start))]
    slow = time.perf_counter() - started
    gap = (torch.from_numpy(np.stack(singles)) - estimate.joints).norm(dim=-1).max().item()
    yield Figure(
        "MAP of 16 people x 17 joints x 4 views: SciPy one by one over one batch",
        slow / best,
        at_least=20,
        note=f"{slow:.2f} s over {best:.3f} s, numeric derivatives in SciPy",
    )
    yield Figure("largest distance between the two optima", 1000 * gap, unit="mm", at_most=1e-3)
    config = cm.configure("lab")
    studies = {nodes: cm.run_cost(config, nodes, 500) for nodes in cm.NODES}
    for what in ("relaxations", "us"):
        for count in config.densities:
            feet, joints = (studies[nodes][f"{what} N={count}"] for nodes in ("feet", "all joints"))
            name = "work" if what == "relaxations" else "time"
            yield Figure(
                f"{name} to match {count} people: all joints over feet",
                joints / feet,
                at_least=10 if name == "work" else None,
                note=f"{joints:.3g} over {feet:.3g} {what}",
            )
    dense = {nodes: study["relaxations dense"] for nodes, study in studies.items()}
    for nodes in ("people by lines", "joints by kind"):
        yield Figure(
            f"work to match {config.densities[-1]} people: {nodes} over feet",
            dense[nodes] / dense["feet"],
            note=f"{dense[nodes]:.3g} over {dense['feet']:.3g} relaxations",
        )
    torch.set_num_threads(threads)
