"""FCOSLite: targets by hand, losses against torch's own, and that it learns one image."""

import pytest
import torch
import torch.nn.functional as F

from eccvkit.data.shapes_det import shapes_det
from eccvkit.nn.boxes import box_iou, corners
from eccvkit.nn.count import count_parameters
from eccvkit.nn.fcos import (
    FCOSLite,
    assign,
    candidates,
    cell_centres,
    centreness,
    fcos_loss,
    focal_loss,
)


def test_cells_in_reading_order():
    points = cell_centres(2, 3)
    assert points.tolist() == [[2, 2], [6, 2], [10, 2], [2, 6], [6, 6], [10, 6]]


def test_shapes_and_parameters():
    net = FCOSLite(classes=5, width=8)
    out = net(torch.rand(2, 3, 32, 24))
    assert out.features.shape == (2, 8, 8, 6)
    assert out.logits.shape == (2, 48, 5)
    assert out.boxes.shape == (2, 48, 4)
    assert out.centreness.shape == (2, 48)
    assert (out.boxes[..., 2:] > out.boxes[..., :2]).all()
    first = (3 * 4 * 9 + 8) + (4 * 4 * 9 + 8) + (4 * 8 * 9 + 16)
    conv, head = 8 * 8 * 9 + 16, 8 * 9
    assert count_parameters(net) == first + 9 * conv + (5 + 4 + 1) * (head + 1)


def test_foreground_starts_at_one_percent():
    out = FCOSLite(classes=3)(torch.rand(2, 3, 32, 32))
    assert out.logits.sigmoid().mean().item() == pytest.approx(0.01, rel=0.7)


def test_the_smallest_object_takes_a_cell_and_far_cells_belong_to_nobody():
    points = cell_centres(6, 6)  # 24 x 24 pixels
    boxes = torch.tensor([[[0.0, 0, 24, 24], [8, 8, 16, 16], [0, 0, 0, 0]]])
    slots = assign(boxes, torch.tensor([[1, 0, -1]]), points).view(6, 6)
    # Both centres are at 12: cells within 6 pixels of it and inside the small box are its own.
    assert (slots[2:4, 2:4] == 1).all()
    assert (slots == 1).sum() == 4
    # The large one is left with nothing: its central cells are taken, the others too far.
    assert (slots == 0).sum() == 0
    assert (slots == -1).sum() == 32


def test_a_tiny_object_still_gets_a_cell():
    box = torch.tensor([[[8.2, 8.2, 9.2, 9.2]]])
    assert (assign(box, torch.tensor([[0]]), cell_centres(6, 6)) >= 0).sum() == 1
    empty = assign(box[:, :0], torch.zeros(1, 0, dtype=torch.long), cell_centres(2, 2))
    assert empty.tolist() == [[-1] * 4]


def test_centreness_by_hand():
    box = torch.tensor([[0.0, 0, 10, 20]]).expand(3, 4)
    points = torch.tensor([[5.0, 10], [2, 10], [11, 10]])
    assert centreness(box, points).tolist() == pytest.approx([1, (2 / 8) ** 0.5, 0])


def test_focal_loss_with_gamma_zero_is_half_the_cross_entropy():
    logits, target = torch.randn(20), (torch.rand(20) < 0.5).float()
    plain = F.binary_cross_entropy_with_logits(logits, target, reduction="sum")
    assert focal_loss(logits, target, 0.5, 0.0).item() == pytest.approx(plain.item() / 2, rel=1e-5)
    sure = focal_loss(torch.tensor([4.0]), torch.tensor([1.0]))
    p = torch.tensor(4.0).sigmoid()
    assert sure.item() == pytest.approx((0.25 * (1 - p) ** 2 * -p.log()).item(), rel=1e-4)


def test_candidates_are_sorted_inside_the_image_and_suppressed_within_a_class():
    out = FCOSLite(classes=3)(torch.rand(2, 3, 32, 32))
    pool = candidates(out, (32, 32), most=30)
    assert (pool.scores.diff(dim=1) <= 0).all()
    assert (pool.boxes >= 0).all() and (pool.boxes <= 32).all()
    best = pool.scores[0, 0]
    cell, label = pool.cells[0, 0], pool.labels[0, 0]
    chance = out.logits[0, cell, label].sigmoid() * out.centreness[0, cell].sigmoid()
    assert best.item() == pytest.approx(chance.item(), rel=1e-5)
    left = pool.suppress(0.5)
    kept = left.scores[0] > 0
    overlap = box_iou(left.boxes[0, kept], left.boxes[0, kept]).triu(1)
    same = left.labels[0, kept][:, None] == left.labels[0, kept]
    assert (overlap[same] <= 0.5).all()


def test_it_learns_one_batch():
    torch.manual_seed(0)
    scenes = shapes_det(4, 500, side=48, density=(1, 2), size_range=(12, 20))
    net = FCOSLite(classes=5, width=16)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    boxes = corners(scenes.boxes)
    slots = assign(boxes, scenes.labels, cell_centres(12, 12))
    totals = []
    for _ in range(60):
        terms = fcos_loss(net(scenes.images), boxes, scenes.labels, slots)
        total = sum(terms.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.5 * totals[0]
    pool = candidates(net(scenes.images), (48, 48)).suppress(0.5)
    for image in range(4):
        mine = scenes.labels[image] >= 0
        found = pool.boxes[image][pool.scores[image] > 0.2]
        assert len(found)
        assert (box_iou(boxes[image, mine], found).amax(1) > 0.5).all()
