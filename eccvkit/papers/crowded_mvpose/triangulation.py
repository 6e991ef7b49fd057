"""From joints in several views to joints in space (Sect. 3.3, Eqs. 5 to 7).

All people are solved in one batch, in float64, with derivatives written out. A problem is what the
logarithm of Eq. 5 leaves: squared reprojection errors over their variances, and squared deviations
of bone lengths over theirs. Variances of one and no bones give the vanilla triangulation; the right
variances and no bones give the maximum likelihood estimate (MLE); with bones it is MAP.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from eccvkit.errors import DataError

#: Depth of a camera's plane: nothing is divided by less, in metres.
_NEAR = 1e-6
#: A joint is in front of every camera that sees it, and no farther away than this, in metres.
#: Rays of different people may be closest at infinity, or behind a camera.
_FAR = 50.0
#: Damping of the first step, its factor after a failure, and its smallest value.
_DAMPING, _FACTOR, _LEAST_DAMPING = 1e-3, 10.0, 1e-10


@dataclass(frozen=True)
class Problem:
    """Everything the estimates of B people depend on.

    Attributes
    ----------
    pixels : Tensor
        (B, J, V, 2) joints in the views; whatever stands where the weight is 0 is ignored.
    weights : Tensor
        (B, J, V) 1 / sigma^2 in 1 / pixels^2; 0 where a joint was not seen.
    cameras : Tensor
        (V, 3, 4) projection matrices.
    bones : Tensor
        (L, 2) int64, joints at the ends; L may be 0.
    lengths, bone_weights : Tensor
        (L,) reference lengths in metres and 1 / sigma^2 in 1 / metres^2.

    Raises
    ------
    DataError
        Shapes that do not fit, a weight that is negative or not finite, or a pixel that counts and
        is not finite.
    """

    pixels: Tensor
    weights: Tensor
    cameras: Tensor
    bones: Tensor
    lengths: Tensor
    bone_weights: Tensor

    def __post_init__(self) -> None:
        shape, views = tuple(self.weights.shape), len(self.cameras)
        if len(shape) != 3 or self.pixels.shape != (*shape, 2) or shape[2] != views:
            raise DataError(
                f"triangulation: pixels {tuple(self.pixels.shape)}, weights {shape} and {views} "
                "cameras; give (people, joints, views, 2), (people, joints, views), (views, 3, 4)"
            )
        if not bool((torch.isfinite(self.weights) & (self.weights >= 0)).all()):
            raise DataError("triangulation: a weight is negative or not finite; check the sigmas")
        if not bool(torch.isfinite(self.pixels[self.weights > 0]).all()):
            raise DataError(
                "triangulation: a joint that counts is not finite; give it the weight 0"
            )
        # Finite everywhere, so that 0 times it is 0.
        object.__setattr__(self, "pixels", torch.where(self.weights[..., None] > 0, self.pixels, 0))

    @property
    def views(self) -> Tensor:
        """How many views show each joint, (B, J)."""
        return (self.weights > 0).sum(dim=2)

    def without_bones(self) -> Problem:
        """The same without the prior: MAP becomes MLE."""
        none = self.lengths[:0]
        return replace(self, bones=self.bones[:0], lengths=none, bone_weights=none)

    def unweighted(self) -> Problem:
        """The same with one variance for all joints that were seen: MLE becomes vanilla.

        The variance is the median one, so that a prior keeps its strength.
        """
        seen = self.weights > 0
        middle = self.weights[seen].median() if bool(seen.any()) else 1.0
        return replace(self, weights=torch.where(seen, middle, 0.0).to(self.weights))


@dataclass(frozen=True)
class Estimate:
    """Joints in space.

    Attributes
    ----------
    joints : Tensor
        (B, J, 3) in metres; NaN where they are not determined.
    cost : Tensor
        (B,) half the sum of squared residuals.
    evaluations : int
        How often the residuals were evaluated, the start included.
    """

    joints: Tensor
    cost: Tensor
    evaluations: int


def dlt(problem: Problem) -> Tensor:
    """Vanilla triangulation by the direct linear transform, without variances.

    Returns
    -------
    Tensor
        (B, J, 3); NaN for joints seen in fewer than two views.
    """
    cameras, seen = problem.cameras, problem.weights > 0
    rows = problem.pixels[..., None] * cameras[:, 2:] - cameras[:, :2]
    # Rows of unit length, which is nearly the distance from the ray; unseen ones vanish.
    rows = rows / rows.norm(dim=-1, keepdim=True) * seen[..., None, None]
    gram = torch.einsum("bjvri,bjvrk->bjik", rows, rows)
    point = torch.linalg.eigh(gram).eigenvectors[..., 0]
    scale = point[..., 3:]
    joints = point[..., :3] / torch.where(scale.abs() > 1e-12, scale, 1e-12)
    return torch.where((problem.views >= 2)[..., None], joints, torch.nan)


def project(cameras: Tensor, joints: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels (B, J, V, 2) of joints (B, J, 3), and their derivatives (B, J, V, 2, 3)."""
    image = torch.einsum("vrc,bjc->bjvr", cameras[:, :, :3], joints) + cameras[:, :, 3]
    depth = image[..., 2:]
    depth = torch.where(depth.abs() > _NEAR, depth, _NEAR)
    pixels = image[..., :2] / depth
    turn = cameras[:, :2, :3] - pixels[..., None] * cameras[:, 2:, :3]
    return pixels, turn / depth[..., None]


def bone_lengths(joints: Tensor, bones: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (B, L), and unit vectors (B, L, 3) from the second to the first joint."""
    line = joints[:, bones[:, 0]] - joints[:, bones[:, 1]]
    length = line.norm(dim=-1)
    return length, line / length.clamp(min=1e-12)[..., None]


def residuals(problem: Problem, joints: Tensor) -> Tensor:
    """All residuals (B, J V 2 + L): half the sum of their squares is minus the logarithm of Eq. 5.

    Eq. 6: reprojection errors over sigma; Eq. 7: deviations of bone lengths over theirs.
    """
    pixels, _ = project(problem.cameras, joints)
    reprojection = problem.weights.sqrt()[..., None] * (problem.pixels - pixels)
    length, _ = bone_lengths(joints, problem.bones)
    bones = problem.bone_weights.sqrt() * (problem.lengths - length)
    return torch.cat([reprojection.flatten(1), bones], dim=1)


def cost(problem: Problem, joints: Tensor) -> Tensor:
    """Half the sum of squared residuals (B,)."""
    return residuals(problem, joints).square().sum(dim=1) / 2


def normal_equations(problem: Problem, joints: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient (B, 3 J) of the cost, and a model (B, 3 J, 3 J) of its Hessian.

    A reprojection error concerns one joint and fills the diagonal blocks of 3 x 3; a bone couples
    two joints. The model is that of Gauss and Newton, with the positive curvature of the bones; it
    is positive semidefinite.
    """
    size, count = joints.shape[:2]
    pixels, slope = project(problem.cameras, joints)
    error = problem.pixels - pixels
    weighted = problem.weights[..., None, None] * slope
    gradient = -torch.einsum("bjvrc,bjvr->bjc", weighted, error)
    blocks = joints.new_zeros(size, count, count, 3, 3)
    own = torch.arange(count, device=joints.device)
    blocks[:, own, own] = torch.einsum("bjvrc,bjvrd->bjcd", weighted, slope)

    length, unit = bone_lengths(joints, problem.bones)
    pull = problem.bone_weights * (length - problem.lengths)
    first, second = problem.bones.unbind(1)
    gradient = gradient.index_add(1, first, pull[..., None] * unit)
    gradient = gradient.index_add(1, second, -pull[..., None] * unit)
    # Along a bone the residual has a slope, across it only curvature, which Gauss-Newton leaves
    # out. Where it is positive (the bone is too long) it is kept: a third of the steps remains.
    along = unit[..., :, None] * unit[..., None, :]
    excess = (1 - problem.lengths / length.clamp(min=1e-12)).clamp(min=0)[..., None, None]
    across = torch.eye(3, dtype=unit.dtype, device=unit.device) - along
    outer = problem.bone_weights[:, None, None] * (along + excess * across)
    flat = blocks.view(size, count * count, 3, 3)
    for a, b, sign in (
        (first, first, 1),
        (second, second, 1),
        (first, second, -1),
        (second, first, -1),
    ):
        flat.index_add_(1, a * count + b, sign * outer)
    matrix = blocks.permute(0, 1, 3, 2, 4).reshape(size, 3 * count, 3 * count)
    return gradient.flatten(1), matrix


def in_sight(problem: Problem, joints: Tensor) -> Tensor:
    """Whether each joint (B, J) is before all cameras that see it, and not out of the world."""
    forward = problem.cameras[:, 2]
    depth = torch.einsum("vc,bjc->bjv", forward[:, :3], joints) + forward[:, 3]
    return ((depth > _NEAR) & (depth < _FAR) | (problem.weights == 0)).all(dim=2)


@torch.no_grad()
def minimise(
    problem: Problem, start: Tensor, *, evaluations: int = 300, tolerance: float = 1e-12
) -> Estimate:
    """Levenberg-Marquardt for all people at once: a trust-region method, each with its own region.

    Parameters
    ----------
    problem : Problem
    start : Tensor
        (B, J, 3), finite and :func:`in_sight`. A joint that a step would take out of sight stays
        where it is; the others move.
    evaluations : int
        Most evaluations of the residuals, the one at the start included.
    tolerance : float
        A person is done when a step lowers the cost by less than this share.

    Raises
    ------
    DataError
        The start is not finite, or has another shape.
    """
    if start.shape != (*problem.weights.shape[:2], 3) or not bool(torch.isfinite(start).all()):
        raise DataError(
            f"minimise: start of shape {tuple(start.shape)}; give finite (people, joints, 3)"
        )
    joints = start.clone()
    value = cost(problem, joints)
    damping = torch.full_like(value, _DAMPING)
    done = torch.zeros_like(value, dtype=torch.bool)
    used = 1
    gradient, matrix = normal_equations(problem, joints)
    while used < evaluations and not bool(done.all()):
        step = _damped_step(gradient, matrix, damping)
        trial = joints + step.view_as(joints)
        trial = torch.where(in_sight(problem, trial)[..., None], trial, joints)
        found = cost(problem, trial)
        used += 1
        better = (found < value) & ~done
        drop = value - found
        done |= better & (drop <= tolerance * value)
        # A step that no damping makes useful ends at the optimum's rounding.
        done |= ~better & (damping >= 1e8)
        joints = torch.where(better[:, None, None], trial, joints)
        value = torch.where(better, found, value)
        damping = torch.where(better, damping / _FACTOR, damping * _FACTOR)
        damping = damping.clamp(min=_LEAST_DAMPING)
        if bool(better.any()):
            gradient, matrix = normal_equations(problem, joints)
    return Estimate(joints, value, used)


def _damped_step(gradient: Tensor, matrix: Tensor, damping: Tensor) -> Tensor:
    """Solution (B, n) of (matrix + damping diag(matrix)) step = -gradient."""
    diagonal = torch.diagonal(matrix, dim1=1, dim2=2)
    # A joint that nobody saw has no information at all: it must stay, not divide by 0.
    floor = 1e-9 * diagonal.amax(dim=1, keepdim=True).clamp(min=1e-12)
    damped = matrix + torch.diag_embed(damping[:, None] * diagonal + floor)
    factor, _ = torch.linalg.cholesky_ex(damped)
    return -torch.cholesky_solve(gradient[..., None], factor)[..., 0].nan_to_num()


@torch.no_grad()
def starting_point(problem: Problem) -> Tensor:
    """A start (B, J, 3) in sight: the DLT, and the person's mean where it has no such answer."""
    joints = dlt(problem)
    known = (torch.isfinite(joints).all(dim=-1) & in_sight(problem, joints))[..., None]
    safe = torch.where(known, joints, 0.0)
    mean = safe.sum(dim=1, keepdim=True) / known.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.where(known, joints, mean)


def triangulate(
    problem: Problem, start: Tensor | None = None, *, evaluations: int = 300
) -> Estimate:
    """Minimise from the DLT, and mark what the views do not determine.

    Without bones a joint needs two views. With bones a person needs one joint that has two views;
    the other joints hang on it.

    Parameters
    ----------
    problem : Problem
    start : Tensor, optional
        (B, J, 3), for example the estimate of a stage before; NaN there is replaced.
    evaluations : int
        See :func:`minimise`.
    """
    first = starting_point(problem)
    if start is not None:
        first = torch.where(torch.isfinite(start), start, first)
    estimate = minimise(problem, first, evaluations=evaluations)
    determined = problem.views >= 2
    if len(problem.bones):
        determined = determined.any(dim=1, keepdim=True).expand_as(determined)
    joints = torch.where(determined[..., None], estimate.joints, torch.nan)
    return replace(estimate, joints=joints)


def solve_with_scipy(
    problem: Problem, start: Tensor, person: int, *, evaluations: int | None = None
) -> np.ndarray:
    """The same for one person by SciPy's trust-region solver with numeric derivatives: (J, 3).

    The reference that the batch is compared with, in speed and in result.
    """
    from scipy.optimize import least_squares

    own = replace(
        problem,
        pixels=problem.pixels[person : person + 1],
        weights=problem.weights[person : person + 1],
    )

    def function(flat: np.ndarray) -> np.ndarray:
        return residuals(own, torch.from_numpy(flat).view(1, -1, 3))[0].numpy()

    tight = {"xtol": 1e-14, "ftol": 1e-14, "gtol": 1e-10}
    found = least_squares(
        function, start[person].flatten().numpy(), method="trf", max_nfev=evaluations, **tight
    )
    return found.x.reshape(-1, 3)
