"""Uncertain topological maps: the files of *Learning to Plan with Uncertain Topological Maps*.

The code of Beeching et al. (ECCV 2020) reads ``.pth`` files, each a dictionary of tensors:

==========================  ============================================================
``features``                (N, K) visual features of the nodes
``positions``               (N, 2) or (N, 4): x, y, and sine and cosine of the heading
``predicted_adj_mat``       (N, N) link probabilities E in [0, 1]
``ground_adj_mat``          (N, N) true links, 0 or 1
``global_distance_matrix``  (N, N) distances D
``optimal_actions``         (N, N), optional: next node from i towards the target t
==========================  ============================================================

Other keys (``path_length_mat``, ``weight_mat``) are not needed. Entries may have a first dimension
of graphs, or be lists with one tensor per graph. The data itself was announced and never linked;
the reader serves those who make such files.

GraphML of networkx serves everybody else: edges with ``prob`` and ``length``, and ``free`` (0 or 1)
if the truth is known; nodes with ``x``, ``y`` and ``v0``, ``v1``, ... if there are such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eccvkit.data.readers._files import holds, parsing
from eccvkit.data.shortest_paths import shortest_distances
from eccvkit.errors import DataError

_AGAIN = "write the file again"
#: Largest difference between the two directions of a distance, relative to the largest distance.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class TopologicalMap:
    """One map of N nodes.

    Attributes
    ----------
    name : str
        File, and number of the graph in it.
    vision : ndarray
        (N, K) float64; K is 0 if there are no features.
    positions : ndarray or None
        (N, 2) float64.
    probabilities : ndarray
        (N, N) float64 in [0, 1], symmetric: the mean of both directions; diagonal 1.
    visible : ndarray or None
        (N, N) bool true links, symmetric, diagonal false; None if the file does not say.
    distances : ndarray
        (N, N) float64, symmetric, at least 0, diagonal 0.
    next_hops : ndarray or None
        (i, t) int64 as stored in the file.
    """

    name: str
    vision: np.ndarray
    positions: np.ndarray | None
    probabilities: np.ndarray
    visible: np.ndarray | None
    distances: np.ndarray
    next_hops: np.ndarray | None = None

    @property
    def nodes(self) -> int:
        """Number N of nodes."""
        return len(self.probabilities)


def read_topomaps(path: str | Path) -> list[TopologicalMap]:
    """Read a ``.pth`` or ``.graphml`` file, or all of those in a folder in the order of names.

    Raises
    ------
    DataError
        There is no such file, or one is damaged or does not fit; the message names file and key.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in (".pth", ".pt", ".graphml"))
        if not files:
            raise DataError(
                f"found no .pth and no .graphml file: {holds(path)}; name another folder"
            )
        return [one for file in files for one in read_topomaps(file)]
    if not path.is_file():
        raise DataError(f"there is no file {path}: correct the path or put the file there")
    return [_read_graphml(path)] if path.suffix == ".graphml" else _read_pth(path)


# --- .pth -----------------------------------------------------------------------------------

#: Key, number of dimensions for one graph, and whether it must be there.
_KEYS = {
    "features": True,
    "positions": True,
    "predicted_adj_mat": True,
    "ground_adj_mat": True,
    "global_distance_matrix": True,
    "optimal_actions": False,
}


def _read_pth(path: Path) -> list[TopologicalMap]:
    with parsing(path, "file of tensors", f"{_AGAIN} with torch.save and tensors only"):
        # Nothing but tensors and plain containers is unpickled.
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise DataError(f"{path} holds a {type(content).__name__}, not a dictionary: {_AGAIN}")
    parts = {}
    for key, needed in _KEYS.items():
        if key in content:
            parts[key] = _by_graph(path, key, content[key])
        elif needed:
            found = ", ".join(map(str, content)) or "nothing"
            raise DataError(f"{path} has no key {key} (it has {found}): {_AGAIN}")
    counts = {key: len(value) for key, value in parts.items()}
    if len(set(counts.values())) != 1:
        raise DataError(f"{path}: keys with different numbers of graphs {counts}: {_AGAIN}")
    return [
        _map_of(path, k, {key: value[k] for key, value in parts.items()})
        for k in range(counts["features"])
    ]


def _by_graph(path: Path, key: str, value: Any) -> list[np.ndarray]:
    """One (N, ...) array per graph, from a tensor of one or of many graphs, or from a list."""
    tensors = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(t, Tensor) for t in tensors):
        raise DataError(f"{path}: key {key} holds a {type(value).__name__}, not tensors: {_AGAIN}")
    arrays = [t.detach().double().numpy() for t in tensors]
    if len(arrays) == 1 and arrays[0].ndim == 3:
        arrays = list(arrays[0])
    for array in arrays:
        if array.ndim != 2:
            raise DataError(
                f"{path}: key {key} has shape {array.shape}; needed are two dimensions for one "
                f"graph, or three for many: {_AGAIN}"
            )
        if not np.isfinite(array).all():
            raise DataError(f"{path}: key {key} holds NaN or infinity: {_AGAIN}")
    return arrays


def _map_of(path: Path, k: int, parts: dict[str, np.ndarray]) -> TopologicalMap:
    n = len(parts["features"])
    for key, array in parts.items():
        square = key not in ("features", "positions")
        if len(array) != n or (square and array.shape[1] != n):
            raise DataError(
                f"{path}: key {key} has shape {array.shape} in graph {k}, which has {n} nodes by "
                f"its features: {_AGAIN}"
            )
    hops = parts.get("optimal_actions")
    if hops is not None and not ((hops == np.round(hops)) & (hops >= -1) & (hops < n)).all():
        raise DataError(
            f"{path}: key optimal_actions goes from {hops.min():g} to {hops.max():g} in graph {k}, "
            f"which has {n} nodes: {_AGAIN}"
        )
    return TopologicalMap(
        f"{path.name}[{k}]",
        parts["features"],
        parts["positions"][:, :2],
        _probabilities(path, "predicted_adj_mat", parts["predicted_adj_mat"]),
        _links(path, "ground_adj_mat", parts["ground_adj_mat"]),
        _distances(path, "global_distance_matrix", parts["global_distance_matrix"]),
        None if hops is None else hops.astype(np.int64),
    )


def _probabilities(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    if ((array < 0) | (array > 1)).any():
        raise DataError(
            f"{path}: {key} goes from {array.min():g} to {array.max():g}; probabilities lie "
            "between 0 and 1 (logits need a sigmoid first)"
        )
    # Line of sight has no direction, but its estimate may have: the mean of both.
    array = (array + array.T) / 2
    np.fill_diagonal(array, 1.0)
    return array


def _links(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    if not np.isin(array, (0, 1)).all():
        raise DataError(f"{path}: {key} holds values other than 0 and 1: {_AGAIN}")
    if (array != array.T).any():
        i, j = np.argwhere(array != array.T)[0]
        raise DataError(
            f"{path}: {key} links {i} and {j} in one direction only; line of sight has none: "
            f"{_AGAIN}"
        )
    return (array == 1) & ~np.eye(len(array), dtype=bool)


def _distances(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    if (array < 0).any():
        raise DataError(f"{path}: {key} holds the negative distance {array.min():g}: {_AGAIN}")
    if np.abs(array - array.T).max() > _TOLERANCE * max(array.max(), 1e-12):
        raise DataError(f"{path}: {key} differs between the two directions of a pair: {_AGAIN}")
    array = (array + array.T) / 2
    np.fill_diagonal(array, 0.0)
    return array


# --- GraphML --------------------------------------------------------------------------------


def _read_graphml(path: Path) -> TopologicalMap:
    """One graph; pairs without an edge have probability 0, and the length of the way round."""
    import networkx

    remedy = f"{_AGAIN} with networkx.write_graphml"
    with parsing(path, "GraphML file", remedy):
        graph = networkx.read_graphml(path)
    names = list(graph.nodes)
    if len(names) < 2:
        raise DataError(f"{path} has {len(names)} node(s): a map needs at least two")
    number = {name: k for k, name in enumerate(names)}
    n = len(names)
    table = {key: np.full((n, n), np.nan) for key in ("prob", "length", "free")}
    for tail, head, attributes in graph.edges(data=True):
        i, j = number[tail], number[head]
        for key, array in table.items():
            if key in attributes:
                array[i, j] = _number(path, f"{key} of the edge {tail}-{head}", attributes[key])
            elif key != "free":
                raise DataError(f"{path}: the edge {tail}-{head} has no {key}: {remedy}")
    # An undirected edge, and a directed one without its opposite, hold for both directions.
    table = {key: np.where(np.isnan(a), a.T, a) for key, a in table.items()}
    lengths = np.where(np.isnan(table["length"]), np.inf, table["length"])
    if (lengths < 0).any():
        raise DataError(f"{path}: an edge has the negative length {lengths.min():g}: {_AGAIN}")
    around = shortest_distances(np.minimum(lengths, lengths.T))
    if not np.isfinite(around).all():
        raise DataError(
            f"{path}: the graph is in pieces, so some nodes have no distance: join them"
        )
    known = np.isfinite(table["free"]) | ~np.isfinite(table["length"])
    free = np.nan_to_num(table["free"]) if known.all() and (table["free"] >= 0).any() else None
    places = _node_values(path, graph, names, ("x", "y"))
    size = sum(f"v{k}" in graph.nodes[names[0]] for k in range(len(graph.nodes[names[0]])))
    vision = _node_values(path, graph, names, [f"v{k}" for k in range(size)])
    return TopologicalMap(
        path.name,
        np.zeros((n, 0)) if vision is None else vision,
        places,
        _probabilities(path, "prob", np.nan_to_num(table["prob"])),
        None if free is None else _links(path, "free", free),
        _distances(path, "length", np.where(np.isfinite(lengths), lengths, around)),
    )


def _node_values(path: Path, graph, names, keys) -> np.ndarray | None:
    """(n, len(keys)) attributes of the nodes; None if no node has any of them."""
    if not any(key in graph.nodes[name] for name in names for key in keys):
        return None
    rows = []
    for name in names:
        missing = [key for key in keys if key not in graph.nodes[name]]
        if missing:
            raise DataError(f"{path}: the node {name} has no {missing[0]}, others have: {_AGAIN}")
        rows.append([_number(path, f"{k} of node {name}", graph.nodes[name][k]) for k in keys])
    return np.array(rows)


def _number(path: Path, what: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise DataError(f"{path}: {what} is {value!r}, not a number: {_AGAIN}")
    return number
