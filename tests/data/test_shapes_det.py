"""Scenes: boxes, masks and labels fit each other and the options that were asked for."""

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from eccvkit.data.shapes_det import (
    CLASSES,
    DISTRACTORS,
    mosaic,
    render,
    sample_layout,
    shape_distance,
    shapes_det,
)
from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.metrics.detection import box_iou_pairs


def test_same_seed_same_scenes_and_splits_differ():
    a, b, other = (shapes_det(3, 500, split) for split in ("train", "train", "val"))
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.instance, b.instance)
    assert not torch.equal(a.images, other.images)
    layouts = [sample_layout(3, seed, split) for seed, split in ((500, "test"), (501, "train"))]
    assert not np.array_equal(layouts[0].box, layouts[1].box)


def test_layout_keeps_to_its_options():
    layout = sample_layout(200, 500, density=(2, 4), size_range=(10, 30), max_iou=0.3)
    used = layout.kind >= 0
    width, height = layout.box[used][:, 2], layout.box[used][:, 3]
    assert (width == height).all()
    assert (width.min() >= 10) and (width.max() <= 30)
    assert (layout.box[used][:, :2] >= 0).all()
    assert (layout.box[used][:, :2] + layout.box[used][:, 2:] <= 96).all()
    objects = (used & (layout.kind < len(CLASSES))).sum(1)
    assert set(objects) == {2, 3, 4}
    assert set((layout.kind >= len(CLASSES)).sum(1)) == {0, 1, 2, 3}
    for row in range(200):
        own = layout.box[row][used[row]]
        i, j = np.triu_indices(len(own), 1)
        assert (box_iou_pairs(own[i], own[j]) <= 0.3 + 1e-9).all()
        assert (np.diff(own[:, 2:].prod(1)) <= 1e-9).all()  # the largest first


def test_log_uniform_sizes():
    layout = sample_layout(1000, 500, density=(1, 1), distractors=(0, 0), size_range=(8, 32))
    assert np.median(layout.box[..., 2]) == pytest.approx(16, rel=0.06)


def test_boxes_are_tight_around_the_masks():
    layout = sample_layout(60, 500, density=(1, 1), distractors=(0, 0), size_range=(16, 40))
    scenes = render(layout, seed=1)
    table = scenes.table(masks=True)
    around = coco_mask.toBbox(list(table.mask))
    assert (
        np.abs(around[:, :2] - table.box[:, :2]).max() <= 1.5
    )  # a diamond's tip is thinner than a pixel
    assert np.abs(around[:, 2:] - table.box[:, 2:]).max() <= 3
    assert np.abs(around[:, 2:] - table.box[:, 2:]).mean() <= 1.5
    assert np.array_equal(table.category, layout.kind[:, 0])


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("disk", np.pi / 4),
        ("ring", np.pi / 4 * (1 - 0.55**2)),
        ("square", 1.0),
        ("diamond", 0.5),
        ("triangle", 0.5),
        ("half disc", np.pi / 8),
        ("cross", 5 / 9),
    ],
)
@pytest.mark.parametrize(("a", "b"), [(30.0, 30.0), (40.0, 10.0)])
def test_area_of_each_shape(name, area, a, b):
    axis = torch.linspace(-50, 50, 1201)
    inside = shape_distance(name, axis, axis[:, None], torch.tensor(a), torch.tensor(b)) < 0
    step = (axis[1] - axis[0]).item()
    assert inside.sum().item() * step**2 == pytest.approx(4 * a * b * area, rel=0.01)


def test_distance_is_in_pixels_near_the_outline():
    a = torch.tensor(20.0)
    for name in CLASSES:
        x = torch.tensor([20.0, 21.0])
        y = torch.tensor(20.0 if name == "triangle" else 0.0)
        if name == "triangle":  # its right corner is no smooth outline: look below the base
            distance = shape_distance(name, torch.zeros(2), y + torch.tensor([0.0, 1.0]), a, a)
        else:
            distance = shape_distance(name, x, y, a, a)
        step = 2**-0.5 if name == "diamond" else 1.0
        assert distance.tolist() == pytest.approx([0, step], abs=0.03), name


def test_dropping_annotations_changes_nothing_else():
    full, part = (shapes_det(30, 500, "val", drop_ann=p) for p in (0.0, 0.5))
    assert torch.equal(full.images, part.images)
    kept = part.labels >= 0
    assert 0.3 < kept.sum() / (full.labels >= 0).sum() < 0.7
    assert torch.equal(part.labels[kept], full.labels[kept])
    assert torch.equal(part.boxes[kept], full.boxes[kept])
    assert torch.equal(part.masks()[kept], full.masks()[kept])
    assert (part.boxes[~kept] == 0).all()
    assert not part.masks()[~kept].any()


def test_distractors_are_visible_but_not_annotated():
    layout = sample_layout(20, 500, density=(1, 1), distractors=(3, 3))
    scenes = render(layout, seed=0)
    assert (scenes.labels >= 0).sum() == 20
    bare = render(sample_layout(20, 500, density=(1, 1), distractors=(0, 0)), seed=0)
    assert (bare.labels >= 0).sum() == 20
    assert set(np.unique(layout.kind)) - {-1} <= set(range(len(CLASSES) + len(DISTRACTORS)))


def test_same_class_and_elongated_shapes():
    classes = ("disk", "square")
    layout = sample_layout(
        300, 500, classes=classes, same_class=0.7, density=(2, 3), size_range=(10, 24),
        aspect_range=(1, 8), distractors=(0, 0),
    )  # fmt: skip
    shown = layout.kind >= 0
    alike = np.array([len(set(k[s])) == 1 for k, s in zip(layout.kind, shown)])
    assert 0.75 < alike.mean() < 0.95  # .7, and chance for the others
    ratio = layout.box[shown][:, 2] / layout.box[shown][:, 3]
    assert 6 < ratio.max() <= 8
    assert 1 / 8 <= ratio.min() < 1 / 6


def test_mosaic_keeps_every_object_in_its_place():
    scenes = shapes_det(8, 500)
    joined = mosaic(scenes)
    assert joined.images.shape == (2, 3, 192, 192)
    assert torch.equal(joined.images[0, :, :96, 96:], scenes.images[1])
    assert torch.equal(joined.images[1, :, 96:, :96], scenes.images[6])
    slots = scenes.labels.shape[1]
    place = int((scenes.labels[2] >= 0).nonzero()[0, 0])  # bottom left
    assert joined.labels[0, 2 * slots + place] == scenes.labels[2, place]
    box = scenes.boxes[2, place] + torch.tensor([0, 96, 0, 0])
    assert torch.equal(joined.boxes[0, 2 * slots + place], box)
    assert torch.equal(joined.masks()[0, 2 * slots + place, 96:, :96], scenes.masks()[2, place])
    with pytest.raises(EccvkitError, match="multiple of 4"):
        mosaic(shapes_det(3, 500))


def test_bad_options():
    with pytest.raises(UnknownName, match="class"):
        sample_layout(1, 0, classes=("circle",))
    with pytest.raises(UnknownName, match="split"):
        sample_layout(1, 0, "training")
    with pytest.raises(EccvkitError, match="do not fit"):
        sample_layout(1, 0, size_range=(8, 40), aspect_range=(1, 8))
    with pytest.raises(EccvkitError, match="shares"):
        sample_layout(1, 0, drop_ann=1.5)
    with pytest.raises(EccvkitError, match="numbers of shapes"):
        sample_layout(1, 0, density=(3, 2))
