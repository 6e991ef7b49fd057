import numpy as np
import pytest
from PIL import Image

from eccvkit.data.readers.masks import (
    read_drive,
    read_isbi12,
    read_mask_folder,
    read_side_by_side,
)
from eccvkit.errors import UnknownName

rng = np.random.default_rng(0)
VESSELS = rng.random((3, 6, 5)) < 0.3


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def white(mask):
    return np.uint8(255 * mask)


# Folders of masks


@pytest.fixture
def folder(tmp_path):
    save(white(VESSELS[1]), tmp_path / "b.png")
    save(white(VESSELS[0]), tmp_path / "a.gif")
    save(white(VESSELS[2][:4]), tmp_path / "c.tif")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    return tmp_path


def test_masks_come_in_the_order_of_their_names_and_in_their_sizes(folder):
    masks = read_mask_folder(folder)
    assert [m.dtype for m in masks] == [bool] * 3
    for mask, truth in zip(masks, (VESSELS[0], VESSELS[1], VESSELS[2][:4])):
        assert np.array_equal(mask, truth)


def test_pattern_and_inversion(folder, monkeypatch):
    (mask,) = read_mask_folder(folder, "b.*", invert=True)
    assert np.array_equal(mask, ~VESSELS[1])
    save(white(VESSELS[2]), folder / "deep" / "d.png")
    assert len(read_mask_folder(folder, "**/*.png")) == 2
    monkeypatch.setenv("ECCVKIT_DATA", str(folder))
    assert len(read_mask_folder()) == 3


def test_threshold_is_a_brightness(tmp_path):
    save(np.array([[0, 51, 52, 255]], dtype=np.uint8), tmp_path / "a.png")
    assert read_mask_folder(tmp_path, threshold=0.2)[0].tolist() == [[False, False, True, True]]
    assert read_mask_folder(tmp_path, threshold=0)[0].tolist() == [[False, True, True, True]]


def test_masks_are_resized_before_the_threshold(tmp_path):
    mask = np.zeros((8, 8), dtype=bool)
    mask[:, 3] = True  # a line of one pixel
    save(white(mask), tmp_path / "a.png")
    assert not read_mask_folder(tmp_path, size=(4, 4))[0].any()
    thick = read_mask_folder(tmp_path, size=(4, 4), threshold=0.3)[0]
    assert thick.shape == (4, 4) and thick[:, 1].all() and thick.sum() == 4
    assert read_mask_folder(tmp_path, size=(2, 4))[0].shape == (2, 4)


def test_one_bit_masks_are_read(tmp_path):
    Image.fromarray(VESSELS[0]).save(tmp_path / "a.png")
    assert np.array_equal(read_mask_folder(tmp_path)[0], VESSELS[0])


def test_bad_mask_folders(folder, message):
    assert "no image matches '*.bmp'" in message(read_mask_folder, folder, "*.bmp")
    assert "threshold is 128" in message(read_mask_folder, folder, threshold=128)
    assert "size is 5" in message(read_mask_folder, folder, size=5)
    save(np.uint8(VESSELS[0]), folder / "d.png")
    assert "multiply the mask by 255" in message(read_mask_folder, folder)
    (folder / "b.png").write_bytes(b"torn")
    assert "b.png is no readable image" in message(read_mask_folder, folder)


# DRIVE


@pytest.fixture
def drive(tmp_path):
    """Two training images and one for testing."""
    for split, number, mask in (
        ("training", 21, VESSELS[0]),
        ("training", 22, VESSELS[1]),
        ("test", "01", VESSELS[2]),
    ):
        home = tmp_path / "DRIVE" / split
        save(
            rng.integers(256, size=(6, 5, 3), dtype=np.uint8), home / f"images/{number}_{split}.tif"
        )
        save(white(mask), home / f"1st_manual/{number}_manual1.gif")
        save(white(np.ones((6, 5), bool)), home / f"mask/{number}_{split}_mask.gif")
        save(white(~mask), home / f"2nd_manual/{number}_manual2.gif")
    return tmp_path


def test_drive(drive):
    data = read_drive(drive)
    assert data.names == ("21_training.tif", "22_training.tif")
    assert data.images.shape == (2, 6, 5, 3) and data.images.dtype == np.uint8
    assert np.array_equal(data.vessels, VESSELS[:2])
    assert data.field_of_view.all() and data.field_of_view.shape == (2, 6, 5)
    first = np.asarray(Image.open(drive / "DRIVE/training/images/21_training.tif"))
    assert np.array_equal(data.images[0], first)


def test_drive_may_be_the_root_itself(drive):
    test = read_drive(drive / "DRIVE", "test")
    assert test.names == ("01_test.tif",) and np.array_equal(test.vessels[0], VESSELS[2])


@pytest.mark.parametrize("partner", ["1st_manual/22_manual1.gif", "mask/22_training_mask.gif"])
def test_drive_with_a_bad_partner(drive, message, partner):
    path = drive / "DRIVE/training" / partner
    save(white(VESSELS[0].T), path)
    text = message(read_drive, drive)
    assert path.name in text and "5 x 6" in text and "22_training.tif is 6 x 5" in text
    grey = white(VESSELS[0])
    grey[0, 0] = 100
    save(grey, path)
    text = message(read_drive, drive)
    assert path.name in text and "values 0 and 255, but holds 100" in text
    path.unlink()
    text = message(read_drive, drive)
    assert partner in text and "belongs to 22_training.tif" in text


def test_drive_with_missing_folders(drive, message, tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'training'"):
        read_drive(drive, "train")
    for path in (drive / "DRIVE/test/images").iterdir():
        path.unlink()
    assert "named like 21_test.tif" in message(read_drive, drive, "test")
    assert "found no training" in message(read_drive, drive / "DRIVE/test")


# pix2pix


@pytest.fixture
def pairs(tmp_path):
    for i, (left, right) in enumerate([(0, 255), (60, 200)]):
        picture = np.full((4, 12, 3), left, dtype=np.uint8)
        picture[:, 6:] = right
        save(picture, tmp_path / "train" / f"{i + 1}.jpg")
    return tmp_path


def test_pairs_are_cut_in_the_middle(pairs):
    left, right = read_side_by_side(pairs)
    assert left.shape == right.shape == (2, 4, 6, 3) and left.dtype == np.uint8
    assert np.abs(left.astype(int)[..., :-1, :].mean(axis=(1, 2, 3)) - [0, 60]).max() < 8
    assert np.abs(right.astype(int)[..., 1:, :].mean(axis=(1, 2, 3)) - [255, 200]).max() < 8


def test_halves_are_resized_after_the_cut(tmp_path):
    picture = np.zeros((4, 8), dtype=np.uint8)
    picture[:, 4:] = 255
    save(picture, tmp_path / "val" / "1.png")
    left, right = read_side_by_side(tmp_path, "val", size=(2, 3), grey=True)
    assert left.shape == right.shape == (1, 2, 3)
    assert (left == 0).all() and (right == 255).all()


def test_bad_pairs(pairs, message):
    with pytest.raises(UnknownName, match="split"):
        read_side_by_side(pairs, "training")
    assert "found no test" in message(read_side_by_side, pairs, "test")
    (pairs / "val").mkdir()
    assert "no pairs" in message(read_side_by_side, pairs, "val")
    assert "size is (0, 3)" in message(read_side_by_side, pairs, size=(0, 3))
    save(np.zeros((4, 10, 3), np.uint8), pairs / "train" / "3.png")
    text = message(read_side_by_side, pairs)
    assert "3.png are 4 x 5" in text and "4 x 6" in text
    assert len(read_side_by_side(pairs, size=(4, 4))[0]) == 3
    save(np.zeros((4, 9, 3), np.uint8), pairs / "train" / "3.png")
    assert "9 pixels wide" in message(read_side_by_side, pairs)


# ISBI 2012


def save_stack(arrays, path):
    first, *rest = [Image.fromarray(a) for a in arrays]
    first.save(path, save_all=True, append_images=rest)


VOLUME = rng.integers(256, size=(3, 6, 5), dtype=np.uint8)


@pytest.fixture
def isbi(tmp_path):
    save_stack(VOLUME, tmp_path / "train-volume.tif")
    save_stack(white(~VESSELS), tmp_path / "train-labels.tif")
    return tmp_path


def test_isbi_membranes_are_where_labels_are_black(isbi):
    volume, membranes = read_isbi12(isbi)
    assert np.array_equal(volume, VOLUME) and volume.dtype == np.uint8
    assert np.array_equal(membranes, VESSELS) and membranes.dtype == bool


def test_bad_stacks(isbi, message):
    labels = isbi / "train-labels.tif"
    save_stack(white(VESSELS[:2]), labels)
    text = message(read_isbi12, isbi)
    assert "train-labels.tif has 2 pages of 6 x 5" in text and "3 pages of 6 x 5" in text
    save_stack(VOLUME, labels)
    assert "black and white" in message(read_isbi12, isbi)
    save_stack([white(VESSELS[0]), white(VESSELS[0].T)], labels)
    assert "differ in size" in message(read_isbi12, isbi)
    save_stack([np.zeros((6, 5), dtype=np.uint16)], labels)
    assert "8 bits" in message(read_isbi12, isbi)
    labels.write_bytes(b"torn")
    assert "no readable TIFF stack" in message(read_isbi12, isbi)
    labels.unlink()
    assert "train-labels.tif" in message(read_isbi12, isbi)
