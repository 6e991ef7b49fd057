"""The maps of a run: floor plans or released graphs, with the labels of Sect. 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from eccvkit.data.floor_plans import FloorPlans, floor_plans
from eccvkit.data.readers.topomaps import TopologicalMap
from eccvkit.data.shortest_paths import next_hops, shortest_distances
from eccvkit.errors import DataError
from eccvkit.metrics.planning import distant_pairs
from eccvkit.nn.graphs import pad_graphs
from eccvkit.papers.topological_planning.config import Config
from eccvkit.papers.topological_planning.symbolic import true_costs


@dataclass(frozen=True)
class Maps:
    """M maps of N nodes, with the shortest paths on the true graph.

    Attributes
    ----------
    vision, probabilities, visible, distances : ndarray
        V (M, N, K), E, true links and D (M, N, N).
    mask : ndarray or None
        (M, N) bool real nodes, if maps are padded.
    hops, shortest : ndarray
        (M, i, t) true next hops, and lengths of the true shortest paths.
    pairs : ndarray
        (M, i, t) bool pairs at two hops or more: what is scored.
    plans : FloorPlans or None
        Where the maps come from; the local controller needs the walls.
    """

    vision: np.ndarray
    probabilities: np.ndarray
    visible: np.ndarray
    distances: np.ndarray
    mask: np.ndarray | None
    hops: np.ndarray
    shortest: np.ndarray
    pairs: np.ndarray
    plans: FloorPlans | None

    def __len__(self) -> int:
        return len(self.vision)

    def take(self, count: int) -> Maps:
        """The first ``count`` maps."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        first = {k: v[:count] if isinstance(v, np.ndarray) else v for k, v in arrays.items()}
        plans = self.plans and self.plans.take(slice(0, count))
        return Maps(**(first | {"plans": plans}))

    def tensors(self, device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
        """What the planner is trained on.

        Returns
        -------
        tuple of Tensor
            vision, probabilities, true adjacency with the diagonal, distances divided by the
            largest of their map (float32); true next hops (int64); real nodes (bool).
        """
        n = self.vision.shape[1]
        largest = self.distances.max(axis=(1, 2), keepdims=True)
        real = np.ones(self.vision.shape[:2], dtype=bool) if self.mask is None else self.mask
        floats = (
            self.vision,
            self.probabilities,
            self.visible | np.eye(n, dtype=bool),
            self.distances / largest,
        )
        parts = [torch.from_numpy(np.asarray(a, dtype=np.float32)) for a in floats]
        parts += [torch.from_numpy(self.hops), torch.from_numpy(real)]
        return tuple(part.to(device) for part in parts)


def label(
    vision: np.ndarray,
    probabilities: np.ndarray,
    visible: np.ndarray,
    distances: np.ndarray,
    mask: np.ndarray | None = None,
    plans: FloorPlans | None = None,
) -> Maps:
    """Add what Dijkstra finds on the true graph; unreachable targets get no label."""
    costs = true_costs(visible, distances)
    shortest = shortest_distances(costs)
    hops = next_hops(costs, shortest)
    return Maps(
        vision,
        probabilities,
        visible,
        distances,
        mask,
        hops,
        shortest,
        distant_pairs(hops),
        plans,
    )


def from_plans(plans: FloorPlans) -> Maps:
    """Label the maps of floor plans."""
    return label(plans.vision, plans.probabilities, plans.visible, plans.distances, plans=plans)


def from_files(maps: Sequence[TopologicalMap], nodes: int) -> Maps:
    """Label maps of :func:`eccvkit.data.readers.topomaps.read_topomaps`, padded to ``nodes`` nodes.

    Raises
    ------
    DataError
        A map does not know its true links, or has other features.
    EccvkitError
        A map is larger than ``nodes``.
    """
    for one in maps:
        if one.visible is None:
            raise DataError(f"{one.name} has no true links: nothing to learn from or to judge by")
        if one.vision.shape[1] != maps[0].vision.shape[1]:
            raise DataError(
                f"{one.name} has {one.vision.shape[1]} features per node, {maps[0].name} has "
                f"{maps[0].vision.shape[1]}: read maps of one kind"
            )
    links = [np.stack([m.probabilities, m.visible, m.distances], axis=-1) for m in maps]
    batch = pad_graphs(
        [torch.from_numpy(m.vision) for m in maps], [torch.from_numpy(a) for a in links], nodes
    )
    probabilities, visible, distances = batch.edges.numpy().transpose(3, 0, 1, 2)
    mask = batch.mask.numpy()
    return label(batch.nodes.numpy(), probabilities, visible > 0.5, distances, mask)


@dataclass(frozen=True)
class Task:
    """Maps to train on, to choose theta and lambda on, and to be judged on."""

    train: Maps
    validation: Maps
    test: Maps


def load(config: Config, seed: int) -> Task:
    """Maps of one seed; the three parts come from streams of their own."""

    def draw(part: int, n: int) -> Maps:
        plans = floor_plans(
            n,
            config.nodes,
            rows=config.rows,
            columns=config.columns,
            palette=config.palette,
            confusion=config.confusion,
            seed=3 * seed + part,
        )
        return from_plans(plans)

    sizes = (config.train, config.validation, config.test)
    return Task(*(draw(part, n) for part, n in enumerate(sizes)))
