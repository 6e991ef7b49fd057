import numpy as np
import pytest
import torch

from eccvkit.data.bundled import PHOTOS, digits, photo, photos
from eccvkit.data.splits import open_set_split
from eccvkit.errors import EccvkitError, UnknownName


def test_digits_are_the_1797_real_ones():
    images, labels = digits()
    assert images.shape == (1797, 1, 8, 8) and images.dtype == torch.float32
    assert images.min() == 0 and images.max() == 1
    # First sample of the UCI test part is a zero whose first row starts 0 0 5 13.
    assert labels[0] == 0 and (16 * images[0, 0, 0, :4]).tolist() == [0, 0, 5, 13]
    assert torch.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_photos_need_no_network(monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise AssertionError("a bundled photo tried to open a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name, image in photos().items():
        assert image.ndim == 3 and image.shape[2] == 3, name
        assert image.dtype == np.float32 and image.min() >= 0 and image.max() <= 1, name
    assert len(PHOTOS) == len(set(PHOTOS))


def test_unknown_photo():
    with pytest.raises(UnknownName, match="did you mean 'astronaut'"):
        photo("astronautt")


LABELS = np.arange(200) % 10


def test_split_partitions_everything_and_is_stratified():
    split = open_set_split(LABELS, 6, seed=3)
    parts = torch.cat([split.train, split.test_known, split.test_unknown])
    assert sorted(parts.tolist()) == list(range(200))
    assert sorted((*split.known, *split.unknown)) == list(range(10))
    assert torch.bincount(split.targets[split.train]).tolist() == [14] * 6
    assert (split.targets[split.test_unknown] == -1).all()
    for new, old in enumerate(split.known):
        assert (LABELS[split.targets.numpy() == new] == old).all()


def test_split_depends_on_the_seed_alone():
    a, b, c = (open_set_split(LABELS, 6, seed=s) for s in (1, 1, 2))
    assert a.known == b.known and torch.equal(a.train, b.train)
    assert a.known != c.known or not torch.equal(a.train, c.train)


def test_split_with_given_classes():
    split = open_set_split(LABELS, [7, 2], seed=0, train_fraction=0.5)
    assert split.known == (2, 7) and len(split.train) == len(split.test_known) == 20


@pytest.mark.parametrize("known", [1, 10, [0], [0, 99], list(range(10))])
def test_impossible_splits(known):
    with pytest.raises(EccvkitError, match="open_set_split"):
        open_set_split(LABELS, known)
