import sys

import numpy as np
import pytest
import torch
from PIL import Image

from eccvkit.data.readers.megadepth import View, megadepth_scene, read_depth, transfer
from eccvkit.errors import EccvkitError

# A plane at depth 4 in front of two cameras, the second one 0.5 to the right: with focal length 8
# every point moves by 8 * 0.5 / 4 = 1 pixel to the left.
K = np.array([[8.0, 0, 5], [0, 8, 4], [0, 0, 1]])
HEIGHT, WIDTH = 8, 10


def pose(x):
    matrix = np.eye(4)
    matrix[0, 3] = -x
    return matrix


def view(x=0.0, depth=4.0):
    return View(
        torch.zeros(3, HEIGHT, WIDTH),
        torch.full((HEIGHT, WIDTH), depth),
        torch.from_numpy(K),
        torch.from_numpy(pose(x)),
    )


def objects(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


@pytest.fixture
def root(tmp_path):
    for k in range(2):
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 100 * k, np.uint8)).save(tmp_path / f"{k}.jpg")
        np.save(tmp_path / f"{k}.npy", np.full((HEIGHT, WIDTH), 4, np.float16))
    (tmp_path / "scene_info").mkdir()
    write(tmp_path)
    return tmp_path


def write(root, **changes):
    # An image without depth has None everywhere, so numpy stores lists of objects.
    content = {
        "image_paths": objects("0.jpg", None, "1.jpg"),
        "depth_paths": objects("0.h5", None, "1.h5"),
        "intrinsics": objects(K, None, K),
        "poses": objects(pose(0), None, np.asfortranarray(pose(0.5))),
        "overlap_matrix": np.array([[1.0, -1, 0.5], [-1, -1, -1], [0.7, -1, 1]]),
        "points3D_id_to_2D": objects({1: (2, 3)}),
    }
    np.savez(root / "scene_info" / "0000.npz", **(content | changes))


def test_scene_keeps_the_images_with_depth(root):
    scene = megadepth_scene(root, "0000")
    assert scene.images == ("0.jpg", "1.jpg") and scene.depths == ("0.h5", "1.h5")
    assert np.array_equal(scene.intrinsics, [K, K])
    assert np.array_equal(scene.poses, [pose(0), pose(0.5)])
    assert scene.pairs(0.1).tolist() == [[0, 1], [1, 0]]
    assert scene.pairs(0.1, 0.6).tolist() == [[0, 1]]


def test_pair_and_its_correspondences(root):
    pair = megadepth_scene(root, "0000").pair(0, 1)
    assert pair.first.shape == pair.second.shape == (1, 3, HEIGHT, WIDTH)
    assert pair.first.max() == 0 and round(255 * pair.second.max().item()) == 100
    located, known = pair.truth(torch.tensor([[[3.0, 2.0], [0.0, 5.0]]]))
    assert located.tolist() == [[[2.0, 2.0], [-1.0, 5.0]]]
    assert known.tolist() == [[True, False]]  # the second one leaves the image


def test_colmap_places_the_first_pixel_at_one_half():
    # A camera with twice the resolution: pixel x becomes (x + 0.5) * 2 - 0.5.
    a, b = view(), view()
    fine = View(
        torch.zeros(3, 16, 20), torch.full((16, 20), 4.0),
        torch.from_numpy(np.diag([2.0, 2, 1]) @ K), b.pose,
    )  # fmt: skip
    located, known = transfer(torch.tensor([[0.0, 0.0], [3.0, 2.0]]), a, fine)
    assert located.tolist() == [[0.5, 0.5], [6.5, 4.5]] and known.all()


def test_hidden_points_and_unknown_depth_are_not_known():
    a, b = view(), view(0.5)
    b.depth[:, 2] = 2.0  # something nearer stands there
    a.depth[0, 7] = 0
    located, known = transfer(torch.tensor([[3.0, 2.0], [4.0, 2.0], [7.0, 0.0]]), a, b)
    assert known.tolist() == [False, True, False]
    assert located[2].isinf().all()


def test_points_behind_the_other_camera_are_not_known():
    a, b = view(), view()
    turned = torch.diag(torch.tensor([-1.0, 1, -1, 1], dtype=torch.float64))
    b = View(b.image, b.depth, b.intrinsics, turned)
    assert transfer(torch.tensor([[3.0, 2.0]]), a, b)[1].tolist() == [False]


def test_a_point_outside_is_refused():
    with pytest.raises(EccvkitError, match="outside of image A"):
        transfer(torch.tensor([[10.0, 2.0]]), view(), view())


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_pickle_that_wants_more_is_refused(root, message, capsys):
    write(root, poses=objects(pose(0), Evil(), pose(0.5)))
    text = message(megadepth_scene, root, "0000")
    assert "wants to import" in text and "print" in text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"poses": objects(pose(0))}, "different lengths"),
     ({"intrinsics": objects(K[:2], None, K)}, "no readable scene index"),
     ({"overlap_matrix": np.eye(3)[:, :2]}, "no readable scene index")],
)  # fmt: skip
def test_entries_that_do_not_fit(root, message, changes, text):
    write(root, **changes)
    assert text in message(megadepth_scene, root, "0000")


def test_missing_entry_and_missing_scene(root, message):
    np.savez(root / "scene_info" / "0001.npz", image_paths=objects("0.jpg"))
    assert "has no array depth_paths" in message(megadepth_scene, root, "0001")
    assert "found no 0002.npz" in message(megadepth_scene, root, "0002")


def test_depth_of_another_size(root, message):
    np.save(root / "1.npy", np.ones((3, 3)))
    assert "(3, 3)" in message(megadepth_scene(root, "0000").view, 1)


def test_depth_that_is_none(root, message):
    np.save(root / "1.npy", np.full((HEIGHT, WIDTH), np.nan))
    assert "finite" in message(read_depth, root, "1.h5")
    (root / "1.npy").write_bytes(b"not numpy")
    assert "no readable depth map" in message(read_depth, root, "1.h5")


def test_hdf5_without_h5py_says_what_to_do(root, message, monkeypatch):
    (root / "2.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    text = message(read_depth, root, "2.h5")
    assert "install h5py" in text and "2.npy" in text


def test_hdf5(root):
    h5py = pytest.importorskip("h5py")
    with h5py.File(root / "3.h5", "w") as file:
        file["depth"] = np.full((2, 3), 7.0)
    assert read_depth(root, "3.h5").tolist() == [[7.0] * 3] * 2
