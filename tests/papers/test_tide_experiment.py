"""The detector of paper 33, its training for a few steps, its variants and claims."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from pycocotools import mask as coco_mask

from eccvkit.claims import judge
from eccvkit.data.shapes_det import shapes_det
from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.nn.boxes import box_iou, corners, roi_align
from eccvkit.papers import tide
from eccvkit.papers.tide import experiment
from eccvkit.papers.tide.claims import (
    CLAIMS,
    PAPER_RESCORING,
    PAPER_TABLE2,
    SIMULATED_CLAIMS,
    Dwarfs,
)
from eccvkit.papers.tide.config import PRESETS, Config
from eccvkit.papers.tide.detector import (
    MASK_STRIDE,
    Detector,
    MaskIoUHead,
    _crop_each,
    _own_detections,
    assemble,
    inside,
    mask_iou,
)
from eccvkit.papers.tide.experiment import SIMULATED_VARIANTS, VARIANTS, run, run_simulated
from eccvkit.study import Study, run_study

#: Fourteen steps on tiny sets.
TINY = Config(
    images=32,
    eval_images=12,
    simulated_images=40,
    width=8,
    prototypes=4,
    epochs=7,
    least_score=0.02,
)


@pytest.fixture(scope="module")
def study():
    return run_study(run, TINY, VARIANTS, [500])


def test_masks_are_combinations_of_prototypes():
    prototypes = torch.rand(2, 3, 4, 4)
    own = torch.tensor([[1.0, 0, 0], [0, -1, 2]])
    logits = assemble(prototypes, own, torch.tensor([1, 0]))
    assert torch.allclose(logits[0], prototypes[1, 0])
    assert torch.allclose(logits[1], 2 * prototypes[0, 2] - prototypes[0, 1])


def test_inside_cuts_at_the_box():
    cells = inside(torch.tensor([[2.0, 4, 6, 6]]), 4, 4)[0]
    assert cells.nonzero().tolist() == [[2, 1], [2, 2]]


def test_mask_iou_by_hand():
    a, b = torch.zeros(2, 2, 2, dtype=torch.bool), torch.zeros(2, 2, 2, dtype=torch.bool)
    a[0, 0], b[0, :, 0] = True, True
    assert mask_iou(a, b).tolist() == pytest.approx([1 / 3, 0])


def test_crops_of_masks_agree_with_roi_align():
    masks = torch.rand(3, 48, 40)
    boxes = torch.tensor([[10.0, 4, 30, 44], [3, 3, 9, 12], [20, 20, 60, 50]])
    crops = _crop_each(masks, boxes)
    assert crops.shape[0] == 3
    same = roi_align(masks[:, None], boxes, torch.arange(3), crops.shape[-1], MASK_STRIDE)
    assert torch.allclose(crops, same, atol=1e-5)
    outside = _crop_each(torch.ones(1, 8, 8), torch.tensor([[16.0, 0, 32, 16]]))
    assert outside[..., 1:].max() == 0
    assert len(_crop_each(masks[:0], boxes[:0])) == 0


def test_the_judge_learns_on_detections_of_objects_only():
    torch.manual_seed(0)
    scenes = shapes_det(4, 500)
    detector = Detector(5, width=8, prototypes=4)
    boxes = corners(scenes.boxes)
    with torch.no_grad():
        output, _, _ = detector(scenes.images)
        image, cell, slot = _own_detections(output, boxes, scenes.labels)
    assert len(image) > 4
    assert torch.bincount(image).max() <= 6
    assert (scenes.labels[image, slot] >= 0).all()
    pairs = torch.stack([output.boxes[image, cell], boxes[image, slot]], dim=1)
    assert torch.stack([box_iou(p[:1], p[1:])[0, 0] for p in pairs]).min() > 0.1
    nothing = torch.full_like(scenes.labels, -1)
    assert len(_own_detections(output, boxes, nothing)[0]) == 0


def test_the_judge_cannot_change_the_detector():
    head = MaskIoUHead(4)
    features = torch.rand(1, 4, 6, 6, requires_grad=True)
    masks = torch.rand(2, 12, 12, requires_grad=True)
    boxes = torch.tensor([[1.0, 1, 9, 9], [4, 4, 20, 20]])
    iou = head(features, masks, boxes, torch.tensor([0, 0]))
    assert iou.shape == (2,)
    assert (iou > 0).all() and (iou < 1).all()
    iou.sum().backward()
    assert features.grad is None and masks.grad is None
    assert head.out.weight.grad.abs().sum() > 0


def test_every_part_gets_a_gradient_and_an_empty_batch_none_of_nan():
    torch.manual_seed(0)
    scenes = shapes_det(4, 500)
    detector = Detector(5, width=8, prototypes=4)
    terms = detector.loss(scenes.images, scenes.instance, corners(scenes.boxes), scenes.labels)
    assert set(terms) == {"loss", "class", "box", "centre", "mask", "judge"}
    terms["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())
    nothing = torch.full_like(scenes.labels, -1)
    terms = detector.loss(
        scenes.images, torch.zeros_like(scenes.instance), 0 * scenes.boxes, nothing
    )
    assert all(torch.isfinite(t) for t in terms.values())
    terms["loss"].backward()


def test_training_is_deterministic_and_lowers_the_loss():
    (a, first), (_, again) = (experiment.train(TINY, 500) for _ in range(2))
    assert first.frame["loss"].tolist() == again.frame["loss"].tolist()
    assert first.frame["loss"].iloc[-1] < 0.9 * first.frame["loss"].iloc[0]
    assert not a.training


def test_the_detector_of_few_small_objects_sees_few_of_them():
    sizes = [
        (scenes.boxes[..., 2][scenes.labels >= 0] < 16).float().mean()
        for scenes in (
            experiment.training_scenes(PRESETS["smoke"], 500, few) for few in (False, True)
        )
    ]
    assert sizes[0] > 0.35
    assert sizes[1] < 0.1


def test_what_is_found_has_masks_inside_its_boxes():
    detector, _ = experiment.train(TINY, 500)
    scenes = shapes_det(5, 501, "val")
    found = experiment.find(detector, scenes.images, TINY)
    det = found.det
    assert len(det) > 5
    assert len(found.predicted_iou) == len(det) == len(det.mask)
    filled = np.array([coco_mask.area(m) > 0 for m in det.mask])
    around = coco_mask.toBbox([m for m, f in zip(det.mask, filled) if f])
    box = det.box[filled]
    # Interpolation from half the resolution can reach two pixels over the side.
    assert (around[:, :2] >= box[:, :2] - 2).all()
    assert (around[:, :2] + around[:, 2:] <= box[:, :2] + box[:, 2:] + 2).all()
    same = experiment.suppressed(found, TINY.nms, TINY.least_score)
    assert np.allclose(same.box, det.box)
    assert np.array_equal(same.score, det.score)


def test_thinning_is_suppression_and_features_belong_to_their_rows():
    detector, _ = experiment.train(TINY, 500)
    scenes = shapes_det(5, 501, "val")
    wide = experiment.find(detector, scenes.images, replace(TINY, nms=0.9))
    for threshold in (0.3, 0.6):
        stays = experiment.thinned(wide.det, threshold)
        narrow = experiment.suppressed(wide, threshold, TINY.least_score)
        assert 0 < stays.sum() < len(wide.det)
        assert len(narrow) == pytest.approx(stays.sum(), rel=0.05)
    some = wide.det.take(np.arange(0, len(wide.det), 7))
    features = experiment.roi_features(detector, scenes.images, some)
    assert features.shape == (len(some), 8 * 16)
    last = experiment.roi_features(detector, scenes.images, some.take([len(some) - 1]))
    assert np.allclose(features[-1], last[0], atol=1e-5)


def test_arms_of_one_seed_share_the_detector(study):
    boxes = study.values("mAP", "detector")
    assert study.values("mAP", "NMS 0.5").equals(boxes)
    kept = study.artefacts
    assert kept["mask rescoring"]["detector"] is kept["detector"]["detector"]
    assert kept["few small objects"]["detector"] is not kept["detector"]["detector"]
    before = kept["detector"]["box"].dataset.det
    after = kept["mask rescoring"]["box"].dataset.det
    factor = kept["detector"]["found"].predicted_iou
    assert np.allclose(after.score, before.score * factor)
    whole, part = (len(kept[arm]["box"].dataset.gt) for arm in ("detector", "30 % unannotated"))
    assert 0.5 < part / whole < 0.9


def test_dropped_annotations_are_nested(study):
    some, more = (
        {tuple(row) for row in study.artefacts[arm]["box"].dataset.gt.box.round(3).tolist()}
        for arm in ("15 % unannotated", "30 % unannotated")
    )
    assert more < some


def test_every_claim_finds_its_metrics(study):
    assert [v.verdict for v in judge(CLAIMS, study)] == ["not judged"] * len(CLAIMS)
    simulated = run_study(run_simulated, TINY, SIMULATED_VARIANTS, [500])
    assert len(judge(SIMULATED_CLAIMS, simulated)) == len(SIMULATED_CLAIMS)
    ids = [claim.id for claim in (*CLAIMS, *SIMULATED_CLAIMS)]
    assert len(set(ids)) == len(ids)


def test_printed_improvements_are_the_differences_of_table_2_before_rounding():
    for model, improvement in PAPER_RESCORING.items():
        before, after = PAPER_TABLE2[model], PAPER_TABLE2[f"{model} + mask scoring"]
        assert list(improvement) == list(before)
        for name, printed in improvement.items():
            assert printed == pytest.approx(after[name] - before[name], abs=0.11), (model, name)
    assert PAPER_TABLE2["YOLACT++"]["Loc"] == 10.4


def test_dwarfs_compares_changes_by_size():
    rows = [
        {"variant": arm, "seed": 1, "metric": metric, "value": value}
        for arm, loc, ap in (("a", 5.0, 60.0), ("b", 7.0, 59.5))
        for metric, value in (("mask Loc", loc), ("mask mAP", ap))
    ]
    effect = Dwarfs("mask Loc", "mask mAP", "a", "b").per_seed(Study(pd.DataFrame(rows)))
    assert effect.tolist() == [pytest.approx(2.0 - 0.5)]


def test_measures_by_the_library():
    metrics = run_simulated(TINY, "detector", 500, keep=(kept := {}))
    analysis = kept["box"]
    weights = tide.isolated(analysis)
    assert metrics["Cls + Bkg"] == pytest.approx(weights["Cls"] + weights["Bkg"])
    late = tide.progressive(analysis, ("Loc", "Cls", "Both", "Dupe", "Bkg", "Miss"))["Bkg"]
    early = tide.progressive(analysis, ("Loc", "Bkg", "Both", "Dupe", "Cls", "Miss"))["Bkg"]
    assert metrics["Bkg late - early"] == pytest.approx(late - early)
    assert metrics["last over first"] > 0


def test_bad_requests():
    with pytest.raises(UnknownName, match="variant"):
        run(TINY, "NMS 0.55", 500)
    with pytest.raises(UnknownName, match="variant"):
        run_simulated(TINY, "mask rescoring", 500)
    with pytest.raises(EccvkitError, match="images is 0"):
        Config(images=0)
    with pytest.raises(EccvkitError, match="nms is"):
        Config(nms=1.5)
    with pytest.raises(EccvkitError, match="lr is"):
        Config(lr=0)
