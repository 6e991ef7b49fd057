"""TIDE against the published package `tidecv`, used as a black box, on random data sets.

Four differences are deliberate. Each is reproduced here from our own numbers
(`their_conventions`), so that the rest of the comparison stays exact:

* **Ties.** Without an oracle the package orders detections of equal score by image and place, as we
  do; under an oracle it puts all false positives, repaired ones too, before the true positives. Its
  weights thus mix two orders, and an oracle that repairs nothing can have a weight. We keep one.
* **False positives of a category without objects.** The package's FP oracle leaves the category at
  0, though suppressing its detections leaves nothing there; FP and FN then do not reach 100.
* **Nothing left.** When an oracle empties every category the package divides by zero; we say 100.
* **Negative weights** are clipped to 0 by the package (those of the six types), not by us.
"""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from eccvkit.data.detections import Dataset, Detections, GroundTruth
from eccvkit.metrics.detection import average_precision
from eccvkit.papers.tide.analysis import analyse, mean_ap
from eccvkit.papers.tide.bins import TYPES
from eccvkit.papers.tide.oracles import SPECIAL, repair
from eccvkit.papers.tide.weights import isolated, special

tidecv = pytest.importorskip("tidecv", reason="tidecv is not installed: no agreement test")

KEYS = dict(zip((*TYPES, *SPECIAL), (*TYPES, "FalsePos", "FalseNeg")))
SIDE = 64


def random_dataset(seed, *, ties, masks=False):
    """A few images, some empty; some empty categories; crowds; detections near and off objects."""
    rng = np.random.default_rng(seed)
    n_images, n_categories = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    n = int(rng.integers(1, 15))
    image = np.sort(rng.integers(0, n_images, n))
    box = np.c_[rng.integers(0, 40, (n, 2)), rng.integers(4, 24, (n, 2))].astype(float)
    category, crowd = rng.integers(0, n_categories, n), rng.random(n) < 0.1
    source = rng.integers(0, n, rng.integers(0, 40))
    near = box[source] + rng.integers(-6, 7, (len(source), 4)) * (
        rng.random((len(source), 1)) < 0.7
    )
    near[:, 2:] = np.maximum(near[:, 2:], 1)
    swapped = rng.random(len(source)) < 0.25
    label = np.where(swapped, rng.integers(0, n_categories, len(source)), category[source])
    astray = rng.random(len(source)) < 0.1
    where = np.where(astray, rng.integers(0, n_images, len(source)), image[source])
    by_image = np.argsort(where, kind="stable")
    score = rng.random(len(source))
    score = np.round(score, 1) if ties else score
    gt = GroundTruth(image, category, box, crowd, draw(box, rng) if masks else None)
    near, where, label = near[by_image], where[by_image], label[by_image]

    det = Detections(where, label, near, score, draw(near, rng) if masks else None)
    names = tuple(f"class {c}" for c in range(n_categories))
    return Dataset(gt, det, names, n_images)


def draw(boxes, rng):
    """An ellipse-like mask inside each box."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    masks = []
    for left, top, width, height in boxes:
        u, v = (x - left) / width - 0.5, (y - top) / height - 0.5
        inside = abs(u) ** 3 + abs(v) ** 3 < 0.5 ** rng.uniform(2, 3)
        masks.append(coco_mask.encode(np.asfortranarray(inside.astype(np.uint8))))
    return masks


def published(dataset, mode, t_f, t_b, max_dets):
    """The package's mAP and weights; None for the weights if it divides by zero."""
    gt, det = tidecv.Data("gt", max_dets=max_dets), tidecv.Data("det", max_dets=max_dets)
    for image in range(dataset.n_images):
        gt.add_image(image, str(image))
        det.add_image(image, str(image))

    def row(table, i):
        mask = table.mask[i] if table.mask is not None else None
        return {"box": table.box[i].tolist(), "mask": mask}

    for i in range(len(dataset.gt)):
        add = gt.add_ignore_region if dataset.gt.ignore[i] else gt.add_ground_truth
        add(int(dataset.gt.image[i]), int(dataset.gt.category[i]), **row(dataset.gt, i))
    for i in range(len(dataset.det)):
        place = int(dataset.det.image[i]), int(dataset.det.category[i])
        det.add_detection(*place, float(dataset.det.score[i]), **row(dataset.det, i))
    tide = tidecv.TIDE(t_f, t_b, {"box": tidecv.TIDE.BOX, "mask": tidecv.TIDE.MASK}[mode])
    try:
        run = tide.evaluate(gt, det, name="x")
    except ZeroDivisionError:
        return None, None
    try:
        weights = tide.get_main_errors()["x"] | tide.get_special_errors()["x"]
    except ZeroDivisionError:
        return run.ap, None
    return run.ap, {name: float(weights[key]) for name, key in KEYS.items()}


def their_conventions(analysis, name):
    """Our AP after an oracle with the package's order of ties and its empty categories."""
    seen = repair(analysis.dataset, analysis.errors, analysis.before, [name])
    score = analysis.dataset.det.score[analysis.pairs.rows]
    errors_first = np.lexsort((analysis.before.correct, -score))
    order = errors_first[seen.counted[errors_first]]
    aps = average_precision(seen.category[order], seen.correct[order], seen.n_gt)
    if name == "FP":
        aps[np.isnan(aps) & ~np.isnan(analysis.ap_per_class())] = 0
    return mean_ap(aps)


def all_scores_differ(analysis):
    """Whether the order of ties cannot matter."""
    score = analysis.dataset.det.score[analysis.pairs.rows]
    return len(set(score.tolist())) == len(score)


CASES = [
    # name, seeds, options of the data, options of the analysis
    ("plain", range(120), {"ties": False}, {}),
    ("ties", range(200, 320), {"ties": True}, {}),
    ("masks", range(400, 430), {"ties": False, "masks": True}, {"mode": "mask"}),
    ("masks with ties", range(430, 460), {"ties": True, "masks": True}, {"mode": "mask"}),
    ("strict", range(500, 530), {"ties": False}, {"t_f": 0.75}),
    ("loose", range(530, 560), {"ties": True}, {"t_f": 0.3, "t_b": 0.05}),
    ("few detections per image", range(600, 630), {"ties": True}, {"max_dets": 3}),
]


@pytest.mark.parametrize(
    ("seeds", "data", "options"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_same_map_weights_and_split(seeds, data, options):
    options = {"mode": "box", "t_f": 0.5, "t_b": 0.1, "max_dets": 100} | options
    compared = direct = 0
    for seed in seeds:
        dataset = random_dataset(seed, **data)
        ap, weights = published(dataset, **options)
        if ap is None:
            continue
        analysis = analyse(dataset, **options)
        assert analysis.ap() == pytest.approx(ap, abs=1e-6), f"seed {seed}: mAP"
        if weights is None:
            assert 100.0 in [analysis.ap([name]) for name in KEYS], (
                f"seed {seed}: something is left"
            )
            continue
        ours = isolated(analysis) | special(analysis)
        for name, theirs in weights.items():
            expected = their_conventions(analysis, name) - analysis.ap()
            expected = max(expected, 0) if name in TYPES else expected
            assert theirs == pytest.approx(expected, abs=1e-6), f"seed {seed}: {name}"
        if all_scores_differ(analysis):
            direct += 1
            for name in (*TYPES, "FN"):
                mine = max(ours[name], 0) if name in TYPES else ours[name]
                assert mine == pytest.approx(weights[name], abs=1e-6), f"seed {seed}: {name}"
            alone = (analysis.before.n_gt == 0) & ~np.isnan(analysis.ap_per_class())
            if not alone.any():
                assert ours["FP"] == pytest.approx(weights["FP"], abs=1e-6), f"seed {seed}: FP"
        compared += 1
    assert compared > 0.85 * len(seeds)
    assert data["ties"] or direct == compared
