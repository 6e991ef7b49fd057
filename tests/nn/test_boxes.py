"""Boxes in networks against loops and limiting cases."""

import numpy as np
import pytest
import torch

from eccvkit.metrics.detection import box_iou_pairs
from eccvkit.nn.boxes import area, box_iou, corner_and_size, corners, giou_loss, nms, roi_align


def random_boxes(*shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    corner = 40 * torch.rand(*shape, 2, generator=g)
    return torch.cat([corner, corner + 2 + 30 * torch.rand(*shape, 2, generator=g)], dim=-1)


def test_conversions_are_inverse():
    boxes = random_boxes(5)
    assert torch.allclose(corners(corner_and_size(boxes)), boxes)
    assert area(torch.tensor([[1.0, 2, 4, 4]])).item() == 6


def test_box_iou_equals_the_pairwise_measure():
    a, b = random_boxes(6), random_boxes(4, seed=1)
    ours = box_iou(a, b)
    for i in range(6):
        pair = corner_and_size(a[i]).expand(4, 4).double().numpy()
        expected = box_iou_pairs(pair, corner_and_size(b).double().numpy())
        assert np.allclose(ours[i], expected, atol=1e-6)
    assert torch.allclose(box_iou(a[None], b[None])[0], ours)
    assert box_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_giou_loss_by_hand():
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1]])
    b = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 4], [3, 0, 4, 1]])
    # Same box; half of it; apart: IoU 0, hull 4, union 2.
    assert giou_loss(a, b).tolist() == pytest.approx([0, 0.5, 1.5])


def loop_nms(boxes, scores, labels, threshold):
    keep = torch.zeros(len(boxes), dtype=torch.bool)
    for i in scores.argsort(descending=True, stable=True).tolist():
        rivals = [j for j in range(len(boxes)) if keep[j] and labels[j] == labels[i]]
        free = all(box_iou(boxes[[i]], boxes[[j]]).item() <= threshold for j in rivals)
        keep[i] = scores[i] > 0 and free
    return keep


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_nms_equals_the_loop(threshold):
    boxes = random_boxes(3, 25)
    g = torch.Generator().manual_seed(2)
    scores = torch.rand(3, 25, generator=g)
    scores[:, ::5] = 0
    labels = torch.randint(0, 2, (3, 25), generator=g)
    ours = nms(boxes, scores, labels, threshold)
    for b in range(3):
        assert torch.equal(ours[b], loop_nms(boxes[b], scores[b], labels[b], threshold))


def test_roi_align_reads_a_ramp_exactly():
    # On a linear map every bin holds the coordinate of its centre.
    ramp = (4 * (torch.arange(12) + 0.5)).expand(1, 2, 12, 12).clone()
    ramp[0, 1] = ramp[0, 1].T.clone()
    box = torch.tensor([[6.0, 10, 26, 38]])
    crop = roi_align(ramp, box, torch.tensor([0]), size=4, stride=4)
    assert torch.allclose(crop[0, 0, 0], torch.tensor([8.5, 13.5, 18.5, 23.5]))
    assert torch.allclose(crop[0, 1, :, 0], torch.tensor([13.5, 20.5, 27.5, 34.5]))


def test_roi_align_looks_into_the_right_image_and_passes_gradients():
    maps = torch.zeros(3, 1, 8, 8, requires_grad=True)
    with torch.no_grad():
        maps[1] += 1
        maps[2] += 2
    boxes, image = random_boxes(5).clamp(max=30), torch.tensor([2, 0, 1, 2, 1])
    crops = roi_align(maps, boxes, image, size=3, stride=4)
    assert torch.allclose(crops.amax(dim=(1, 2, 3)), image.float())
    crops[image == 2].sum().backward()
    assert maps.grad[2].sum() == pytest.approx(18, rel=1e-5)
    assert maps.grad[:2].abs().sum() == 0
    assert roi_align(maps, boxes[:0], image[:0], 3, 4).shape == (0, 1, 3, 3)
