import math
from dataclasses import replace
from itertools import combinations

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from eccvkit.data.glyph_aircraft import (
    MIN_DISTANCE,
    RANGES,
    aircraft_classes,
    class_distance,
    glyph_aircraft,
    long_tail_sizes,
)
from eccvkit.errors import EccvkitError

TENSORS = ("train_images", "test_images", "unknown_images")


@pytest.fixture(scope="module")
def split():
    return glyph_aircraft(size=16, n_test=20)


def test_same_seed_same_tensors(split):
    again = glyph_aircraft(size=16, n_test=20)
    assert again.classes == split.classes
    assert all(torch.equal(getattr(again, name), getattr(split, name)) for name in TENSORS)


def test_other_seed_other_classes(split):
    assert set(split.classes).isdisjoint(glyph_aircraft(size=16, seed=1).classes)


def test_shapes_labels_and_range(split):
    sizes = [200, 100, 67, 50, 40, 33, 29, 25, 22, 20, 18, 17]
    assert split.train_labels.bincount().tolist() == sizes
    assert split.train_images.shape == (sum(sizes), 1, 16, 16)
    assert split.test_labels.bincount().tolist() == [20] * 12
    assert split.unknown_labels.bincount().tolist() == [0] * 12 + [20] * 8
    for name in TENSORS:
        images = getattr(split, name)
        assert images.dtype == torch.float32
        assert images.isfinite().all() and images.min() >= 0 and images.max() <= 1
    assert len(split.classes) == len(split.roles) == 20
    assert split.roles[3] == split.classes[3].role


def test_train_and_test_views_come_from_different_streams():
    split = glyph_aircraft(n_classes=4, n_known=2, n_max=5, n_min=5, n_test=5, size=16)
    assert torch.equal(split.train_labels, split.test_labels)
    for a, b in combinations((getattr(split, name) for name in TENSORS), 2):
        assert not any(torch.equal(x, y) for x in a for y in b)


def test_number_of_test_images_does_not_change_training():
    a, b = (glyph_aircraft(n_classes=4, n_known=2, n_test=n, size=16) for n in (1, 3))
    assert torch.equal(a.train_images, b.train_images)


def test_task_is_neither_trivial_nor_hopeless(split):
    # Nearest neighbours in pixels: far above the chance of 1/12, far from perfect.
    knn = KNeighborsClassifier(3).fit(split.train_images.flatten(1), split.train_labels)
    assert 0.3 < knn.score(split.test_images.flatten(1), split.test_labels) < 0.8


def test_long_tail_sizes_by_hand():
    assert long_tail_sizes(6, 200, 40) == [200, 100, 67, 50, 40, 40]
    assert long_tail_sizes(3, 7, 7) == [7, 7, 7]
    assert long_tail_sizes(0, 7, 1) == []


@pytest.mark.parametrize("seed", range(5))
def test_classes_keep_their_distance_and_ranges(seed):
    classes = aircraft_classes(20, seed)
    assert len(classes) == 20
    assert min(class_distance(a, b) for a, b in combinations(classes, 2)) >= MIN_DISTANCE
    for name, (low, high) in RANGES.items():
        assert all(low <= getattr(c, name) <= high for c in classes)


def test_some_classes_are_relatives():
    # Close pairs of the same tail and engines are what makes the task fine-grained.
    classes = aircraft_classes(20, 0)
    relatives = [
        (a, b)
        for a, b in combinations(classes, 2)
        if (a.tail, a.engines) == (b.tail, b.engines) and class_distance(a, b) < 0.7
    ]
    assert len(relatives) >= 5


def test_class_distance_by_hand():
    a = aircraft_classes(1, 0)[0]
    a = replace(a, length=0.50, sweep=0.0, tail="plain", engines=0)
    assert class_distance(a, a) == 0
    assert class_distance(a, replace(a, length=0.76)) == pytest.approx(1)
    assert class_distance(a, replace(a, engines=2)) == pytest.approx(0.5)
    assert class_distance(a, replace(a, tail="none")) == pytest.approx(0.5)
    b = replace(a, sweep=45.0, engines=4)
    assert class_distance(a, b) == class_distance(b, a) == pytest.approx(math.sqrt(2))


def test_errors_name_the_remedy():
    with pytest.raises(EccvkitError, match="fewer classes or a smaller min_distance"):
        aircraft_classes(10, 0, min_distance=5.0)
    with pytest.raises(EccvkitError, match="n_known=30 must be between 1 and n_classes=20"):
        glyph_aircraft(n_known=30)
    with pytest.raises(EccvkitError, match="1 <= n_min <= n_max"):
        long_tail_sizes(5, 10, 20)
    with pytest.raises(EccvkitError, match="seed"):
        aircraft_classes(3, seed=-1)
