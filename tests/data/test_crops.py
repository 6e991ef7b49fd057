"""Crops and their coordinates."""

import pytest
import torch

from eccvkit.data.crops import crop_images, fit_boxes, from_crop, to_crop
from eccvkit.errors import DataError


def test_boxes_grow_to_the_proportions_around_their_centre():
    boxes = torch.tensor([[0.0, 0, 4, 10], [10, 10, 20, 10]])
    fitted = fit_boxes(boxes, (20, 10))
    assert fitted.tolist() == [[-0.5, 0, 5, 10], [10, -5, 20, 40]]
    with pytest.raises(DataError, match="no width"):
        fit_boxes(torch.tensor([[0.0, 0, 0, 5]]), (4, 4))


def test_points_go_to_a_crop_and_back():
    boxes = torch.tensor([[10.0, 20, 8, 16], [0, 0, 4, 4]])
    points = torch.tensor([[[10.0, 20.0], [14.0, 28.0]], [[1.0, 2.0], [3.0, 0.0]]])
    placed = to_crop(points, boxes, (32, 16))
    assert placed[0].tolist() == [[-0.5, -0.5], [7.5, 15.5]]
    assert torch.allclose(from_crop(placed, boxes, (32, 16)), points)


def test_a_crop_of_the_same_size_copies_pixels_and_is_grey_outside():
    image = torch.rand(3, 6, 8)
    # Pixel 0 of the crop looks at x + 0.5 * width / W: the pixel centres coincide.
    boxes = torch.tensor([[1.5, 0.5, 4.0, 3.0], [5.5, 2.5, 4.0, 3.0]])
    crops = crop_images(image, boxes, (3, 4))
    assert torch.allclose(crops[0], image[:, 1:4, 2:6], atol=1e-6)
    assert torch.allclose(crops[1][:, :, :2], image[:, 3:6, 6:], atol=1e-6)
    assert torch.allclose(crops[1][:, :, 3], torch.full((3, 3), 0.5))


def test_a_point_of_the_image_is_found_in_its_crop():
    image = torch.zeros(1, 40, 40)
    image[0, 25, 13] = 1
    boxes = torch.tensor([[5.0, 10.0, 16.0, 24.0]])
    crop = crop_images(image, boxes, (48, 32))[0, 0]
    row, column = divmod(int(crop.argmax()), 32)
    place = to_crop(torch.tensor([[13.0, 25.0]]), boxes, (48, 32))[0]
    assert abs(place[0] - column) <= 0.5 and abs(place[1] - row) <= 0.5
