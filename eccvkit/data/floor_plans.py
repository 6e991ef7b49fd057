"""Floor plans with rooms and doors, and the uncertain topological maps of an agent that saw them.

A plan is a grid of square rooms. Doors open on a random spanning tree of the rooms, and on further
walls by chance, so that everything can be reached. The nodes of a map stand in rooms and in doors;
two nodes are truly connected if they see each other. What an agent knows is less:

* ``probabilities``: how likely each pair is connected, right for about three pairs in four;
* ``vision``: the colours of the rooms that a node stands in, with noise. No two rooms of a plan
  share a colour, so two nodes with a common colour are in sight of each other: the pictures hold
  what the probabilities lack.

Everything is drawn for a whole batch of plans at once. Lengths are metres; x grows along the
columns, y along the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from eccvkit.data.shortest_paths import connected
from eccvkit.errors import EccvkitError

#: Side of a room, width of a door, and distance that a door keeps from the corners.
ROOM, DOOR, CORNER = 4.0, 1.2, 0.3
#: Share of a room, around its middle, in which the room's node stands.
MIDDLE = 0.6
#: Probability that a wall off the spanning tree has a door as well.
EXTRA_DOOR = 0.15
#: Logit of a pair in sight (its negative for the others), and noise around it.
CONFIDENCE, CONFUSION = 1.0, 1.5
#: Noise of the vision features.
VISION_NOISE = 0.1
#: Plans drawn at once; a bound on the memory, not on the result.
_CHUNK = 2000


@dataclass(frozen=True)
class FloorPlans:
    """M plans of R x C rooms with maps of N nodes.

    Attributes
    ----------
    walls : ndarray
        (M, S, 4) float64 pieces of inner wall ``x0 y0 x1 y1``; NaN where a piece is missing.
    positions : ndarray
        (M, N, 2) float64 places L of the nodes, in shuffled order.
    rooms : ndarray
        (M, N, 2) int64 rooms a node stands in: twice the same, or the two sides of its door.
    visible : ndarray
        (M, N, N) bool true connections, symmetric, diagonal false.
    probabilities : ndarray
        (M, N, N) float64 E, symmetric, in (0, 1), diagonal 1.
    vision : ndarray
        (M, N, P) float64 V.
    colours : ndarray
        (M, R * C) int64 colour of each room, below P.
    rows, columns : int
        R and C. Room ``r * C + c`` spans x from ``4 c`` and y from ``4 r``.
    """

    walls: np.ndarray
    positions: np.ndarray
    rooms: np.ndarray
    visible: np.ndarray
    probabilities: np.ndarray
    vision: np.ndarray
    colours: np.ndarray
    rows: int
    columns: int

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def nodes(self) -> int:
        """Number N of nodes per map."""
        return self.positions.shape[1]

    @property
    def distances(self) -> np.ndarray:
        """(M, N, N) straight-line distances D in metres."""
        return pairwise_distances(self.positions)

    def take(self, index: slice | np.ndarray) -> FloorPlans:
        """The plans at ``index``, a slice or an array."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return FloorPlans(
            **{k: v[index] if isinstance(v, np.ndarray) else v for k, v in arrays.items()}
        )


def floor_plans(
    n: int,
    nodes: int = 8,
    *,
    rows: int = 2,
    columns: int = 2,
    palette: int = 6,
    confusion: float = CONFUSION,
    seed: int = 0,
) -> FloorPlans:
    """Draw plans whose maps are connected.

    Each room has one node, uniform in its middle; then doors in random order have one each, as far
    as ``nodes`` allows; the rest stand anywhere. Maps that are not connected are drawn again.

    Parameters
    ----------
    n, nodes : int
        Number M of plans, and N of nodes in each: at least one per room.
    rows, columns : int
        Rooms; at least two in all.
    palette : int
        Number P of colours, at least one per room.
    confusion : float
        Noise of the link probabilities, see :func:`uncertain_links`.
    seed : int
        Same seed, same plans.

    Raises
    ------
    EccvkitError
        A count out of range.

    Examples
    --------
    >>> plans = floor_plans(3, 8, seed=1)
    >>> plans.visible.shape, plans.vision.shape
    ((3, 8, 8), (3, 8, 6))
    """
    count = rows * columns
    if n < 1 or rows < 1 or columns < 1 or count < 2:
        raise EccvkitError(
            f"{n} floor plans of {rows} x {columns} rooms: use 1 or more, of 2 rooms"
        )
    if nodes < count or palette < count:
        raise EccvkitError(
            f"{nodes} nodes and {palette} colours for {count} rooms: use at least as many of each "
            "as there are rooms"
        )
    rng = np.random.default_rng(seed)
    kept: list[tuple[np.ndarray, ...]] = []
    while sum(len(part[0]) for part in kept) < n:
        missing = n - sum(len(part[0]) for part in kept)
        kept.append(_draw(min(_CHUNK, missing + missing // 2 + 16), nodes, rows, columns, rng))
    walls, positions, rooms, visible = (np.concatenate(a)[:n] for a in zip(*kept))
    colours = rng.random((n, palette)).argsort(axis=1)[:, :count]
    return FloorPlans(
        walls,
        positions,
        rooms,
        visible,
        uncertain_links(visible, rng, confusion=confusion),
        room_features(rooms, colours, palette, rng),
        colours,
        rows,
        columns,
    )


def _draw(
    n: int, nodes: int, rows: int, columns: int, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Walls, positions, rooms and true links of those of ``n`` random plans that are connected."""
    between = adjacent_rooms(rows, columns)
    is_open = spanning_trees(n, rows * columns, between, rng)
    is_open |= rng.random(is_open.shape) < EXTRA_DOOR
    margin = CORNER + DOOR / 2
    centres = rng.uniform(margin, ROOM - margin, is_open.shape)
    walls = wall_pieces(between, columns, is_open, centres)
    positions, rooms = _place_nodes(nodes, rows, columns, between, is_open, centres, rng)
    visible = line_of_sight(positions, walls)
    good = connected(visible)
    return walls[good], positions[good], rooms[good], visible[good]


def adjacent_rooms(rows: int, columns: int) -> np.ndarray:
    """(W, 2) int64 pairs of rooms that share a wall; the second is to the right or below."""
    room = np.arange(rows * columns).reshape(rows, columns)
    right = np.stack([room[:, :-1].ravel(), room[:, 1:].ravel()], axis=1)
    below = np.stack([room[:-1].ravel(), room[1:].ravel()], axis=1)
    return np.concatenate([right, below])


def spanning_trees(n: int, rooms: int, between: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, W) bool random spanning trees: Kruskal's algorithm on random weights, in lockstep."""
    order = rng.random((n, len(between))).argsort(axis=1)
    group = np.tile(np.arange(rooms), (n, 1))
    tree = np.zeros(order.shape, dtype=bool)
    each = np.arange(n)
    for wall in order.T:
        a, b = (group[each, between[wall, side]] for side in (0, 1))
        tree[each, wall] = a != b
        # If a equals b, this changes nothing.
        group = np.where(group == b[:, None], a[:, None], group)
    return tree


def wall_pieces(
    between: np.ndarray, columns: int, is_open: np.ndarray, centres: np.ndarray
) -> np.ndarray:
    """(n, 2 W, 4) wall pieces ``x0 y0 x1 y1``; a wall with a door has two, one without has one.

    Parameters
    ----------
    between : (W, 2) int array
        See :func:`adjacent_rooms`.
    is_open, centres : (n, W) array
        Whether a wall has a door, and the middle of the door along the wall in metres.
    """
    start, along = _wall_lines(between, columns)
    zero, full = np.zeros_like(centres), np.full_like(centres, ROOM)
    low = np.where(is_open, centres - DOOR / 2, full)
    high = np.where(is_open, centres + DOOR / 2, np.nan)
    spans = np.stack([np.stack([zero, low], -1), np.stack([high, full], -1)], axis=-2)
    pieces = start[:, None, None] + spans[..., None] * along[:, None, None]  # n W 2 ends xy
    return pieces.reshape(len(centres), -1, 4)


def _wall_lines(between: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """(W, 2) first end of each wall, and its unit direction."""
    first, second = between.T
    corner = np.stack([second % columns, second // columns], axis=1) * ROOM
    vertical = second // columns == first // columns
    return corner, np.where(vertical[:, None], [0.0, 1.0], [1.0, 0.0])


def _place_nodes(nodes, rows, columns, between, is_open, centres, rng):
    """Positions (n, N, 2) and rooms (n, N, 2): rooms first, then doors, then anywhere; shuffled."""
    n, count = len(centres), rows * columns
    number = np.arange(count)
    corners = np.stack([number % columns, number // columns], axis=1) * ROOM
    edge = (1 - MIDDLE) / 2
    in_rooms = corners + ROOM * rng.uniform(edge, 1 - edge, (n, count, 2))
    start, along = _wall_lines(between, columns)
    in_doors = start + centres[..., None] * along
    anywhere = rng.random((n, nodes, 2)) * ROOM * np.array([columns, rows])
    points = np.concatenate([in_rooms, in_doors, anywhere], axis=1)
    own = (anywhere // ROOM).astype(int) @ [1, columns]
    sides = [np.stack([a, a], -1) for a in (np.tile(number, (n, 1)), own)]
    sides.insert(1, np.broadcast_to(between, (n, *between.shape)))
    rooms = np.concatenate(sides, axis=1)
    # Smaller comes first: every room, doors in random order, the rest; closed doors never.
    priority = np.concatenate(
        [
            np.zeros((n, count)),
            np.where(is_open, 1 + rng.random(is_open.shape), np.inf),
            2 + rng.random((n, nodes)),
        ],
        axis=1,
    )
    chosen = rng.permuted(priority.argsort(axis=1)[:, :nodes], axis=1)
    return tuple(np.take_along_axis(a, chosen[..., None], axis=1) for a in (points, rooms))


def pairwise_distances(positions: np.ndarray) -> np.ndarray:
    """Straight-line distances (..., N, N) between positions (..., N, 2)."""
    return np.linalg.norm(positions[..., :, None, :] - positions[..., None, :, :], axis=-1)


def line_of_sight(positions: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """Which pairs of nodes see each other: (M, N, N) bool, diagonal false.

    Parameters
    ----------
    positions : (M, N, 2) array
    walls : (M, S, 4) array
    """
    m, n, _ = positions.shape
    first, second = np.triu_indices(n, k=1)
    visible = np.zeros((m, n, n), dtype=bool)
    free = ~blocked(positions[:, first], positions[:, second], walls)
    visible[:, first, second] = free
    return visible | visible.swapaxes(1, 2)


def blocked(start: np.ndarray, end: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """Which segments touch a wall of their plan: (M, K) bool.

    Two segments meet if the ends of each lie on different sides of the other, or on it; collinear
    ones must overlap as well. Pieces with NaN never block.

    Parameters
    ----------
    start, end : (M, K, 2) array
    walls : (M, S, 4) array
    """
    a, b = start[:, :, None], end[:, :, None]
    c, d = walls[:, None, :, :2], walls[:, None, :, 2:]
    apart = _side(c, d, a) * _side(c, d, b) <= 0
    apart &= _side(a, b, c) * _side(a, b, d) <= 0
    overlap = np.minimum(a, b) <= np.maximum(c, d)
    overlap &= np.minimum(c, d) <= np.maximum(a, b)
    return (apart & overlap.all(axis=-1)).any(axis=-1)


def _side(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Twice the signed area of a triangle: on which side of the line a point lies."""
    along, off = end - start, point - start
    return along[..., 0] * off[..., 1] - along[..., 1] * off[..., 0]


def uncertain_links(
    visible: np.ndarray,
    rng: np.random.Generator,
    *,
    confidence: float = CONFIDENCE,
    confusion: float = CONFUSION,
) -> np.ndarray:
    r"""Link probabilities :math:`E_{ij}=\sigma(\pm c+s\,\xi_{ij})`, plus where ``visible``.

    Parameters
    ----------
    visible : (..., N, N) bool array
        Symmetric.
    rng : numpy.random.Generator
    confidence, confusion : float
        c and s; the noise is a symmetric standard Gaussian. With 1 and 1.5, a threshold of 0.5 is
        right for 75% of the pairs.

    Returns
    -------
    ndarray
        (..., N, N) float64, symmetric, diagonal 1.
    """
    noise = np.triu(rng.standard_normal(visible.shape), k=1)
    noise = noise + noise.swapaxes(-1, -2)
    links = 1 / (1 + np.exp(-(np.where(visible, confidence, -confidence) + confusion * noise)))
    own = np.arange(visible.shape[-1])
    links[..., own, own] = 1.0
    return links


def room_features(
    rooms: np.ndarray,
    colours: np.ndarray,
    palette: int,
    rng: np.random.Generator,
    *,
    noise: float = VISION_NOISE,
) -> np.ndarray:
    """Vision features: 1 for the colour of every room that a node stands in, 0 else, plus noise.

    Parameters
    ----------
    rooms : (M, N, 2) int array
    colours : (M, rooms) int array
    palette : int
    rng : numpy.random.Generator
    noise : float
        Standard deviation.

    Returns
    -------
    ndarray
        (M, N, palette) float64.
    """
    seen = np.take_along_axis(colours[:, None, :], rooms, axis=2)
    features = (seen[..., None] == np.arange(palette)).any(axis=2).astype(np.float64)
    return features + noise * rng.standard_normal(features.shape)
