"""How much work an assignment is: the solver's own steps counted, beside the paper's bounds."""

from __future__ import annotations

import numpy as np

from eccvkit.errors import DataError
from eccvkit.papers.crowded_mvpose.epipolar import epipolar_distances


def paper_bounds(people: int, joints: int = 17) -> tuple[int, int]:
    """The paper's operation counts: (2N)^3 for feet, (17N)^4 for all joints (Sect. 3.2, Table 7).

    Examples
    --------
    >>> feet, every = paper_bounds(10)
    >>> round(every / feet, 1)
    104401.2
    """
    return (2 * people) ** 3, (joints * people) ** 4


def joint_costs(matrix: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Epipolar costs (n J, m J) of all joints of two views: nodes are joints, not people.

    Parameters
    ----------
    matrix : (3, 3) array
        Fundamental matrix.
    first, second : (n, J, 2) and (m, J, 2) arrays

    Returns
    -------
    array
        Pixels; infinite between joints of different kinds.
    """
    distances = epipolar_distances(matrix, first, second)
    n, m, count = distances.shape
    costs = np.full((n, count, m, count), np.inf)
    kinds = np.arange(count)
    # Both kinds are advanced indices, so their axis comes first.
    costs[:, kinds, :, kinds] = distances.transpose(2, 0, 1)
    return costs.reshape(n * count, m * count)


def count_relaxations(cost: np.ndarray) -> tuple[np.ndarray, int]:
    """Assign by shortest augmenting paths, and count how often a column's distance is looked at.

    The algorithm of Jonker and Volgenant without its initialisation. It is written out for
    counting; :func:`scipy.optimize.linear_sum_assignment` is the one to use.

    Parameters
    ----------
    cost : (n, m) array
        At most as many rows as columns; infinite entries are barred.

    Returns
    -------
    columns : (n,) int array
        The column of each row.
    relaxations : int

    Raises
    ------
    DataError
        More rows than columns, or no assignment of all rows is possible.
    """
    n, m = cost.shape
    if n > m:
        raise DataError(f"count_relaxations: {n} rows and {m} columns; pass the transpose")
    row_price, column_price = np.zeros(n), np.zeros(m)
    owner = np.full(m, -1)
    relaxations = 0
    for start in range(n):
        distance, before = np.full(m, np.inf), np.full(m, -1)
        scanned = np.zeros(m, dtype=bool)
        row, length, last = start, 0.0, -1
        while True:
            free = ~scanned
            relaxations += int(free.sum())
            through = length + cost[row] - row_price[row] - column_price
            shorter = free & (through < distance)
            distance[shorter], before[shorter] = through[shorter], last
            column = int(np.argmin(np.where(free, distance, np.inf)))
            if not np.isfinite(distance[column]) or scanned[column]:
                raise DataError("count_relaxations: some row has no column left")
            length, scanned[column] = distance[column], True
            if owner[column] < 0:
                break
            row, last = owner[column], column
        reached = scanned & (owner >= 0)
        row_price[owner[reached]] += length - distance[reached]
        row_price[start] += length
        column_price[scanned] += distance[scanned] - length
        while column >= 0:
            earlier = before[column]
            owner[column] = start if earlier < 0 else owner[earlier]
            column = earlier
    columns = np.full(n, -1)
    columns[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    return columns, relaxations
