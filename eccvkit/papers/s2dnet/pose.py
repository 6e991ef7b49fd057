"""Why a pixel matters (Fig. 1, left): how noise on keypoints moves the camera pose found by PnP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from eccvkit.errors import EccvkitError

#: A camera of 640 x 480 pixels looking at points of a street, in metres.
FOCAL, CENTRE = 600.0, np.array([320.0, 240.0])
DEPTHS, HALF_WIDTH, HALF_HEIGHT = (20.0, 100.0), 640.0 / 2, 480.0 / 2


def project_points(pose: np.ndarray, world: np.ndarray) -> np.ndarray:
    """Pixels (n, 2) of world points (n, 3); ``pose`` (6,): rotation vector and translation."""
    camera = Rotation.from_rotvec(pose[:3]).apply(world) + pose[3:]
    return FOCAL * camera[:, :2] / camera[:, 2:] + CENTRE


def solve_pose(world: np.ndarray, pixels: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The pose (6,) of least squared reprojection error, from a start near it.

    Raises
    ------
    EccvkitError
        Fewer than four points.
    """
    if len(world) < 4:
        raise EccvkitError(f"solve_pose: {len(world)} points; a pose needs at least 4")

    def residuals(pose: np.ndarray) -> np.ndarray:
        return (project_points(pose, world) - pixels).ravel()

    return least_squares(residuals, start, method="lm").x


def pose_noise(
    sigmas: Sequence[float], *, points: int = 30, trials: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Error of the camera's position for Gaussian noise on its keypoints.

    Parameters
    ----------
    sigmas : sequence of float
        Standard deviations in pixels.
    points, trials : int
        Correspondences per pose, and random scenes per noise; scenes are the same for all noises.

    Returns
    -------
    pandas.DataFrame
        Columns ``sigma``, ``trial``, ``metres``, ``degrees``.
    """
    rows = []
    for trial in range(trials):
        rng = np.random.default_rng([seed, trial])
        depth = rng.uniform(*DEPTHS, points)
        offset = rng.uniform(-1, 1, (points, 2)) * (HALF_WIDTH, HALF_HEIGHT)
        camera = np.column_stack([offset * depth[:, None] / FOCAL, depth])
        pose = np.concatenate([rng.normal(0, 0.3, 3), rng.normal(0, 2, 3)])
        turn = Rotation.from_rotvec(pose[:3])
        world = turn.inv().apply(camera - pose[3:])
        noise = rng.standard_normal((points, 2))
        for sigma in sigmas:
            found = solve_pose(world, project_points(pose, world) + sigma * noise, pose)
            found_turn = Rotation.from_rotvec(found[:3])
            centre, found_centre = -turn.inv().apply(pose[3:]), -found_turn.inv().apply(found[3:])
            rows.append(
                {
                    "sigma": float(sigma),
                    "trial": trial,
                    "metres": float(np.linalg.norm(centre - found_centre)),
                    "degrees": float(np.degrees((turn.inv() * found_turn).magnitude())),
                }
            )
    return pd.DataFrame(rows)
