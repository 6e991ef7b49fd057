"""How good poses are: MPJPE, PA-MPJPE, PCK and PCP in space, OKS and its AP in images.

Joints are (..., J, d) in any unit; errors come in the same unit. Averages over joints leave out
those that ``valid`` excludes, and a person without any valid joint is NaN.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from eccvkit.errors import DataError
from eccvkit.metrics.procrustes import procrustes


def joint_errors(found: Tensor, truth: Tensor) -> Tensor:
    """Distance of every joint from its true place, (..., J).

    Raises
    ------
    DataError
        Shapes differ, or are not (..., J, d).
    """
    if found.shape != truth.shape or found.ndim < 2:
        raise DataError(
            f"pose: joints of shapes {tuple(found.shape)} and {tuple(truth.shape)}; give both the "
            "shape (..., joints, coordinates)"
        )
    return (found - truth).norm(dim=-1)


def mpjpe(found: Tensor, truth: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean per joint position error (...,) of each person.

    Parameters
    ----------
    found, truth : Tensor
        (..., J, d)
    valid : Tensor of bool, optional
        (..., J), which joints count.

    Examples
    --------
    >>> mpjpe(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.zeros(2, 2)).item()
    3.0
    """
    errors = joint_errors(found, truth)
    if valid is None:
        return errors.mean(dim=-1)
    counted = torch.where(valid, errors, 0.0).sum(dim=-1)
    return counted / valid.sum(dim=-1)


def pa_mpjpe(found: Tensor, truth: Tensor) -> Tensor:
    """MPJPE (...,) after the best rotation, shift and scale of each person (Procrustes)."""
    joint_errors(found, truth)
    return mpjpe(procrustes(found, truth, scale=True).aligned, truth)


def pck(found: Tensor, truth: Tensor, threshold: float, valid: Tensor | None = None) -> Tensor:
    """Share (...,) of each person's joints within ``threshold`` of the truth.

    Examples
    --------
    >>> pck(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.zeros(2, 2), 1.0).item()
    0.5
    """
    right = (joint_errors(found, truth) <= threshold).to(found.dtype)
    if valid is None:
        return right.mean(dim=-1)
    return torch.where(valid, right, 0.0).sum(dim=-1) / valid.sum(dim=-1)


def pcp(
    found: Tensor, truth: Tensor, limbs: Sequence[tuple[int, int]], share: float = 0.5
) -> Tensor:
    """Percentage of correct parts, as a share (..., L): which limbs are right.

    A limb is right when its two ends are off by at most ``share`` of its true length on average.
    """
    errors = joint_errors(found, truth)
    first, second = torch.tensor(limbs, device=found.device).unbind(1)
    length = (truth[..., first, :] - truth[..., second, :]).norm(dim=-1)
    return ((errors[..., first] + errors[..., second]) / 2 <= share * length).to(found.dtype)


def oks(
    found: ArrayLike, truth: ArrayLike, area: ArrayLike, sigmas: ArrayLike, valid: ArrayLike
) -> np.ndarray:
    """Object keypoint similarity (...,): mean over valid joints of exp(-d^2 / (8 area sigma^2)).

    Parameters
    ----------
    found, truth : (..., J, 2) array
        Pixels.
    area : (...,) array
        Of the person, in square pixels.
    sigmas : (J,) array
        Spread of each joint's annotations relative to the root of the area.
    valid : (..., J) array of bool
        Annotated joints.
    """
    found, truth, valid = np.asarray(found), np.asarray(truth), np.asarray(valid, dtype=bool)
    square = ((found - truth) ** 2).sum(axis=-1)
    variance = (2 * np.asarray(sigmas)) ** 2 * 2 * np.asarray(area)[..., None]
    similar = np.where(valid, np.exp(-square / variance), 0.0)
    return similar.sum(axis=-1) / valid.sum(axis=-1)


@dataclass(frozen=True)
class People2D:
    """People in the images of a data set, found or annotated.

    Attributes
    ----------
    image : (n,) int array
        Which image, from 0.
    joints : (n, J, 2) array
        Pixels.
    score : (n,) array
        Confidence of a detection; of an annotation it is not used.
    area : (n,) array
        Of an annotation in square pixels; of a detection it is not used.
    """

    image: np.ndarray
    joints: np.ndarray
    score: np.ndarray
    area: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.image)
        if (
            self.joints.ndim != 3
            or self.joints.shape[::2] != (n, 2)
            or not (len(self.score) == len(self.area) == n)
        ):
            raise DataError(
                f"people: {n} images, joints {self.joints.shape}, {len(self.score)} scores, "
                f"{len(self.area)} areas; give one row per person, joints (n, J, 2)"
            )
        if not np.isfinite(self.joints).all():
            raise DataError("people: a joint is not finite; leave the person out")


def oks_ap(truth: People2D, found: People2D, sigmas: ArrayLike) -> dict[str, float]:
    """COCO's keypoint measures, by pycocotools.

    Parameters
    ----------
    truth, found : People2D
        All joints of an annotation count.
    sigmas : (J,) array
        See :func:`oks`.

    Returns
    -------
    dict of float
        ``AP`` over OKS 0.50 to 0.95, ``AP50``, ``AP75`` and ``AR``, in [0, 1]. Without detections
        they are 0.

    Raises
    ------
    DataError
        No annotation.
    """
    if not len(truth.image):
        raise DataError("oks_ap: no annotated person; there is nothing to find")
    if not len(found.image):
        return dict.fromkeys(("AP", "AP50", "AP75", "AR"), 0.0)
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images = np.unique(np.concatenate([truth.image, found.image])).tolist()
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = COCO()
        annotated.dataset = {
            "info": {},
            "images": [{"id": i} for i in images],
            "categories": [{"id": 1}],
            "annotations": [_annotation(truth, k) for k in range(len(truth.image))],
        }
        annotated.createIndex()
        detected = annotated.loadRes([_result(found, k) for k in range(len(found.image))])
        judge = COCOeval(annotated, detected, "keypoints")
        judge.params.kpt_oks_sigmas = np.asarray(sigmas, dtype=np.float64)
        # COCO's 20 people per image are too few for a crowd.
        judge.params.maxDets = [1000]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, 0, 0, 0]
    at = {"AP": slice(None), "AP50": 0, "AP75": 5}
    measures = {name: float(precision[rows].mean()) for name, rows in at.items()}
    return measures | {"AR": float(judge.eval["recall"][:, 0, 0, 0].mean())}


def _annotation(people: People2D, k: int) -> dict:
    joints = np.column_stack([people.joints[k], np.full(people.joints.shape[1], 2.0)])
    low, high = people.joints[k].min(axis=0), people.joints[k].max(axis=0)
    return {
        "id": k + 1, "image_id": int(people.image[k]), "category_id": 1, "iscrowd": 0,
        "num_keypoints": len(joints), "keypoints": joints.ravel().tolist(),
        "area": float(people.area[k]), "bbox": [*low.tolist(), *(high - low).tolist()],
    }  # fmt: skip


def _result(people: People2D, k: int) -> dict:
    joints = np.column_stack([people.joints[k], np.ones(people.joints.shape[1])])
    return {
        "image_id": int(people.image[k]), "category_id": 1, "score": float(people.score[k]),
        "keypoints": joints.ravel().tolist(),
    }  # fmt: skip
