"""The experiment of paper 37: matching, evaluation, and the arms of Fig. 3 and Table 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from eccvkit.data.homography_pairs import Pairs, inside
from eccvkit.data.stereo import StereoPair
from eccvkit.errors import unknown
from eccvkit.metrics.matching import THRESHOLDS, match_errors, matching_accuracy
from eccvkit.papers.s2dnet.arms import Matcher, train
from eccvkit.papers.s2dnet.config import Config
from eccvkit.papers.s2dnet.cost import seconds_now
from eccvkit.papers.s2dnet.detectors import DETECTORS, detect_all
from eccvkit.papers.s2dnet.matching import (
    best_pixel,
    best_point,
    check_keypoints,
    is_confident,
    mutual_neighbours,
    peak_ratio,
    read_scores,
    returns_home,
)
from eccvkit.papers.s2dnet.tasks import Task, load
from eccvkit.training import History

#: Pairs matched at once in the test.
BATCH = 10


@dataclass(frozen=True)
class Found:
    """All matches of a test set, before any filter.

    Attributes
    ----------
    keypoints, points : Tensor
        (N, K, 2) detections of A and their matches in B.
    errors : Tensor
        (N, K) in pixels; they mean something where ``counts``.
    detected, counts : Tensor of bool
        (N, K): which rows are detections, and which of them B is known to show. Eq. 1 asks for a
        pixel of B, so the others have no right answer and never count as matches.
    confidence : Tensor
        (N, K) probability of the match among all pixels (sparse: among all detections of B).
    ratio : Tensor
        (N, K) second peak over first, see :func:`~eccvkit.papers.s2dnet.matching.peak_ratio`;
        NaN for sparse matching.
    mutual : Tensor of bool
        (N, K) passes the cyclic check; sparse: is a mutual nearest neighbour.
    """

    keypoints: Tensor
    points: Tensor
    errors: Tensor
    detected: Tensor
    counts: Tensor
    confidence: Tensor
    ratio: Tensor
    mutual: Tensor


@dataclass(frozen=True)
class Variant:
    """One arm: which network, which way of matching, and which filters.

    Attributes
    ----------
    recipe : str
        Name in :data:`eccvkit.papers.s2dnet.arms.RECIPES`.
    dense : bool
        Search all pixels of B (S2D), or its detections only (S2S).
    detector : str
    levels : tuple of int, optional
        Levels used for matching; all if not given.
    tau : float, optional
        Threshold of Eq. 4; not given: ``config.tau``. It needs the probabilities of the
        classification loss and a dense search.
    ratio : float
        Largest ratio of second to first peak; 1 keeps everything.
    cyclic : bool
        Cyclic check; for sparse matching, mutual nearest neighbours.
    """

    recipe: str = "classification"
    dense: bool = True
    detector: str = "Harris"
    levels: tuple[int, ...] | None = None
    tau: float | None = 0.0
    ratio: float = 1.0
    cyclic: bool = True


LEVEL_NAMES = ("fine", "middle", "coarse")
#: Fig. 3 and Table 1b: losses and systems.
METHODS: dict[str, Variant] = {
    "one level, S2S": Variant("triplet, middle level", dense=False),
    "one level": Variant("triplet, middle level"),
    "triplet, S2S": Variant("triplet", dense=False),
    "triplet": Variant("triplet"),
    "triplet, no filter": Variant("triplet", cyclic=False),
    "S2DNet, S2S": Variant(dense=False),
    "S2DNet, tau=0": Variant(),
    "S2DNet, no filter": Variant(cyclic=False),
    "S2DNet": Variant(tau=None),
}
#: Table 1a: detectors in both settings.
DETECTOR_ARMS: dict[str, Variant] = {
    f"{name}, {'S2D' if dense else 'S2S'}": Variant(detector=name, dense=dense)
    for name in DETECTORS
    for dense in (False, True)
}
#: Table 1a: the threshold of Eq. 4, after the cyclic check and without it.
TAUS: dict[str, Variant] = {
    f"S2DNet, tau={tau:g}": Variant(tau=tau) for tau in (0.05, 0.1, 0.2, 0.4, 0.6)
}
TAUS_ALONE: dict[str, Variant] = {
    f"no check, tau={tau:g}": Variant(tau=tau, cyclic=False) for tau in (0.05, 0.1, 0.2, 0.4, 0.6)
}
#: Fig. 4: one level of the network that was trained for the sum, and a network that has only one
#: (the best one on pilot seeds). All of them without a filter: after upsampling, the best pixel of
#: a coarse map can only be one of the middle four of a cell, so hardly any keypoint could pass the
#: cyclic check.
LEVELS: dict[str, Variant] = {
    f"{name} level": Variant(levels=(m,), cyclic=False) for m, name in enumerate(LEVEL_NAMES)
} | {"middle level, trained alone": Variant("classification, middle level", cyclic=False)}
#: Lowe's ratio, for comparison.
FILTERS: dict[str, Variant] = {"ratio 0.8": Variant(ratio=0.8, cyclic=False)}
VARIANTS: dict[str, Variant] = METHODS | DETECTOR_ARMS | TAUS | TAUS_ALONE | LEVELS | FILTERS


@torch.no_grad()
def find_matches(
    matcher: Matcher,
    pairs: Pairs | StereoPair,
    keypoints: Tensor,
    *,
    others: tuple[Tensor, Tensor] | None = None,
    valid: Tensor | None = None,
    levels: tuple[int, ...] | None = None,
    tolerance: float = 0.0,
) -> Found:
    """Match keypoints of the first images, and match back.

    Parameters
    ----------
    matcher : Matcher
    pairs : Pairs or StereoPair
        Anything with ``first``, ``second`` and ``truth``.
    keypoints : Tensor
        (N, K, 2) in the first images.
    others : (Tensor, Tensor), optional
        Detections (N, K', 2) of the second images and which rows are any (N, K'); given, only they
        can be matched (S2S). Without them every pixel can be (S2D).
    valid : Tensor of bool, optional
        (N, K), which keypoints are detections.
    levels : tuple of int, optional
        Levels to use.
    tolerance : float
        Of the cyclic check, in pixels.

    Raises
    ------
    EccvkitError
        A keypoint lies outside of its image, or an image is too small for the network.
    """
    matcher.eval()
    sizes = tuple(pairs.first.shape[-2:]), tuple(pairs.second.shape[-2:])
    check_keypoints(keypoints, sizes[0], "A")
    if others is not None:
        check_keypoints(others[0], sizes[1], "B")
    valid = torch.ones_like(keypoints[..., 0], dtype=torch.bool) if valid is None else valid
    truth, known = pairs.truth(keypoints)
    shown = known & inside(truth, sizes[1], -0.5)
    parts = []
    for start in range(0, len(pairs), BATCH):
        here = slice(start, start + BATCH)
        a, b = matcher.features(pairs.first[here], pairs.second[here])
        forward = matcher.similarity(a, b, sizes, levels)
        if others is None:
            backward = matcher.similarity(b, a, sizes[::-1], levels)
            parts.append(_dense(forward, backward, keypoints[here], tolerance))
        else:
            candidates = others[0][here], others[1][here]
            parts.append(_sparse(forward, keypoints[here], valid[here], *candidates))
    points, confidence, ratio, mutual = (torch.cat(column) for column in zip(*parts))
    errors = match_errors(points, truth)
    return Found(keypoints, points, errors, valid, valid & shown, confidence, ratio, mutual & valid)


def _dense(
    forward, backward, keypoints: Tensor, tolerance: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    maps = forward(keypoints)
    points, confidence = best_pixel(maps)
    ratio = peak_ratio(maps)
    mutual = returns_home(keypoints, best_point(backward(points)), tolerance)
    return points, confidence, ratio, mutual


def _sparse(
    forward, keypoints: Tensor, valid: Tensor, others: Tensor, valid_others: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    scores = read_scores(forward(keypoints), others)
    index, mutual = mutual_neighbours(scores, valid, valid_others)
    points = others.gather(1, index[..., None].expand(-1, -1, 2))
    shares = scores.masked_fill(~valid_others[:, None], -torch.inf).softmax(dim=2)
    confidence = shares.gather(2, index[..., None])[..., 0].nan_to_num()
    return points, confidence, torch.full_like(confidence, torch.nan), mutual


# Arms that differ in their filters share a network, detections and matches. Only the latest seed
# is kept, since a study runs all arms of a seed in a row.


@lru_cache(maxsize=8)
def trained(
    config: Config, recipe: str, seed: int, device: torch.device | str
) -> tuple[Matcher, History, float]:
    """The network of a recipe, trained once for all arms that use it, and the seconds it took."""
    task = load(config, seed, device)
    started = seconds_now(device)
    matcher, history = train(config, recipe, task, seed)
    return matcher, history, seconds_now(device) - started


@lru_cache(maxsize=32)
def _detections(
    config: Config, test: str, detector: str, seed: int, device: torch.device | str
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    pairs = load(config, seed, device).tests[test]
    count = config.stereo_detections if test == "stereo" else config.detections
    return detect_all(pairs.first, detector, count), detect_all(pairs.second, detector, count)


@lru_cache(maxsize=64)
def _found(
    config: Config,
    recipe: str,
    dense: bool,
    detector: str,
    levels: tuple[int, ...] | None,
    seed: int,
    device: torch.device | str,
) -> dict[str, Found]:
    matcher, _, _ = trained(config, recipe, seed, device)
    found = {}
    for name, pairs in load(config, seed, device).tests.items():
        (keypoints, valid), others = _detections(config, name, detector, seed, device)
        found[name] = find_matches(
            matcher,
            pairs,
            keypoints,
            valid=valid,
            others=None if dense else others,
            levels=levels,
            tolerance=config.tolerance,
        )
    return found


def keep_matches(found: Found, variant: Variant, tau: float) -> Tensor:
    """Which detections (N, K) pass the filters of an arm; ``tau`` stands in where it names none.

    Also those that B does not show: whether a filter rejects them is a question of its own.
    """
    kept = found.detected & is_confident(
        found.confidence, tau if variant.tau is None else variant.tau
    )
    if variant.cyclic:
        kept = kept & found.mutual
    if variant.ratio < 1:
        kept = kept & (found.ratio <= variant.ratio)
    return kept


def evaluate(found: dict[str, Found], kept: dict[str, Tensor]) -> dict[str, float]:
    """Accuracy and number of matches, for each test set and for the two synthetic ones together.

    Only keypoints that B shows can become matches, see :class:`Found`.

    Parameters
    ----------
    found : dict of str to Found
    kept : dict of str to Tensor
        What passes the filters, see :func:`keep_matches`.

    Returns
    -------
    dict of float
        ``mma@t`` over the pairs of "illum" and "view", ``mma@t NAME`` of one test set; a pair
        without matches counts as 0. ``precision@t`` the share of all matches, whatever pair they
        belong to (0 if there are none); ``right@t`` the number of right ones per pair;
        ``matches`` per pair; ``kept`` the share of the keypoints that are matched; ``empty`` the
        share of pairs without any match. ``unseen`` is the share of the keypoints of "illum" and
        "view" that B does *not* show and that pass all the same, ``selectivity`` is ``kept`` minus
        ``unseen``.
    """
    metrics: dict[str, float] = {}
    matched = {n: kept[n] & found[n].counts for n in found}
    accuracy = {n: matching_accuracy(found[n].errors, matched[n]) for n in found}
    groups = {"": ("illum", "view")} | {f" {n}": (n,) for n in found}
    for suffix, names in groups.items():
        mean = torch.cat([accuracy[n] for n in names]).mean(dim=0).tolist()
        errors = torch.cat([found[n].errors[matched[n]] for n in names])
        number = torch.cat([matched[n].sum(dim=1) for n in names]).double()
        asked = sum(int(found[n].counts.sum()) for n in names)
        for t, value in zip(THRESHOLDS, mean):
            hits = (errors <= t).sum().item()
            metrics[f"mma@{t}{suffix}"] = value
            metrics[f"precision@{t}{suffix}"] = hits / max(len(errors), 1)
            metrics[f"right@{t}{suffix}"] = hits / len(number)
        metrics[f"matches{suffix}"] = number.mean().item()
        metrics[f"kept{suffix}"] = len(errors) / max(asked, 1)
        metrics[f"empty{suffix}"] = (number == 0).double().mean().item()
    hidden = {n: found[n].detected & ~found[n].counts for n in groups[""]}
    passed = sum(int((kept[n] & hidden[n]).sum()) for n in hidden)
    metrics["unseen"] = passed / max(sum(int(mask.sum()) for mask in hidden.values()), 1)
    metrics["selectivity"] = metrics["kept"] - metrics["unseen"]
    return metrics


def run(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
) -> dict[str, float]:
    """Train (or reuse) the network of one arm, match with it, and evaluate: one row of the table.

    Parameters
    ----------
    config : Config
        Shared by all arms.
    variant : str
        A name in :data:`VARIANTS`.
    seed : int
        Fixes data, initial weights and batches.
    keep : dict, optional
        Filled with "matcher", "history", "task", "found" and "kept" for the pictures.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    arm, device = VARIANTS[variant], str(device)
    matcher, history, seconds = trained(config, arm.recipe, seed, device)
    found = _found(config, arm.recipe, arm.dense, arm.detector, arm.levels, seed, device)
    kept = {name: keep_matches(matches, arm, config.tau) for name, matches in found.items()}
    if keep is not None:
        task: Task = load(config, seed, device)
        keep.update(matcher=matcher, history=history, task=task, found=found, kept=kept)
    return evaluate(found, kept) | {"seconds": seconds}
