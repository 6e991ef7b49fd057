"""COCO keypoints with feet, CMU Panoptic, Wildtrack."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from eccvkit.data.cameras import look_at
from eccvkit.data.people import JOINTS
from eccvkit.data.readers.coco_keypoints import coco_keypoints
from eccvkit.data.readers.panoptic import COCO19, panoptic_cameras, panoptic_scene
from eccvkit.data.readers.wildtrack import NAMES, wildtrack_cameras, wildtrack_frame
from eccvkit.errors import DataError

# ---- COCO ------------------------------------------------------------------------------


def coco_file(path, *changes, feet=True):
    numbers = [v for j in range(23 if feet else 17) for v in (10 + j, 20 + j, 2)]
    numbers[3:6] = [0, 0, 0]
    numbers[6:9] = [5, 6, 1]
    person = {
        "id": 1, "image_id": 7, "keypoints": numbers, "bbox": [1, 2, 30, 40], "area": 600.5,
        "iscrowd": 0, "category_id": 1,
    }  # fmt: skip
    content = {
        "images": [{"id": 3, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}],
        "annotations": [person, person | {"id": 2, "keypoints": [0] * len(numbers)}],
    }
    for change in changes:
        change(content)
    path.write_text(json.dumps(content))
    return path


def test_coco_with_feet(tmp_path):
    people = coco_keypoints(coco_file(tmp_path / "k.json"))
    assert len(people) == 1 and people.files == ("a.jpg", "b.jpg") and people.image.tolist() == [1]
    assert people.joints[0, 0].tolist() == [10, 20]
    assert people.joints[0, JOINTS.index("right heel")].tolist() == [32, 42]
    assert np.isnan(people.joints[0, 1]).all() and not people.visible[0, 1]
    assert people.joints[0, 2].tolist() == [5, 6] and not people.visible[0, 2]
    assert people.visible[0].sum() == 21
    assert people.boxes.tolist() == [[1, 2, 30, 40]] and people.area.tolist() == [600.5]


def test_coco_without_feet_leaves_them_out(tmp_path):
    people = coco_keypoints(coco_file(tmp_path / "k.json", feet=False))
    assert np.isnan(people.joints[0, 17:]).all() and np.isfinite(people.joints[0, 3:17]).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["annotations"][0]["keypoints"].pop(), r"annotations\[0\]: 68 keypoint"),
        (lambda c: c["annotations"][1].pop("image_id"), r"annotations\[1\]: the key 'image_id'"),
        (lambda c: c["annotations"][1].update(image_id=99), r"annotations\[1\]: image_id 99"),
        (lambda c: c["annotations"][0].update(keypoints="x"), r"\[0\]: keypoints is 'x'"),
        (lambda c: c["annotations"][0].update(keypoints=[None] * 69), "list of finite numbers"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), r"\[0\]: bbox is"),
        (lambda c: c["annotations"][0]["keypoints"].__setitem__(2, 5), "visibility"),
        (lambda c: c.pop("images"), "no list 'images'"),
        (lambda c: c["images"].append(3), r"images\[2\]: is no object"),
        (lambda c: c.update(annotations=c["annotations"][1:]), "no annotated person"),
    ],
)
def test_malformed_coco_names_file_and_entry(tmp_path, change, says):
    with pytest.raises(DataError, match=says) as error:
        coco_keypoints(coco_file(tmp_path / "k.json", change))
    assert "k.json" in str(error.value) and "\n" not in str(error.value)


def test_coco_missing_or_no_json(tmp_path):
    with pytest.raises(DataError, match="no file"):
        coco_keypoints(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DataError, match="no readable JSON"):
        coco_keypoints(tmp_path / "bad.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DataError, match="expected an object"):
        coco_keypoints(tmp_path / "list.json")


# ---- Panoptic --------------------------------------------------------------------------

SEQUENCE = "160224_ultimatum1"
OURS = look_at((3.0, -4.0, 1.5), (0, 0, 1), 1400, (1920, 1080), name="00_03")
#: y of the files points down: (x, y, z) there is (x, -z, y) here.
TO_FILE = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def panoptic_folder(root, *changes):
    row = {
        "name": "00_03", "type": "hd", "resolution": [1920, 1080], "K": OURS.intrinsics.tolist(),
        "R": (OURS.rotation @ TO_FILE.T).tolist(), "t": (100 * OURS.translation[:, None]).tolist(),
        "distCoef": [-0.2, 0.1, 0, 0, 0],
    }  # fmt: skip
    joints = np.zeros((19, 4))
    joints[1] = [*(100 * TO_FILE @ [0.1, 0.2, 1.6]), 0.8]
    joints[3] = [1, 2, 3, -1]
    scene = {"version": 0.7, "bodies": [{"id": 4, "joints19": joints.ravel().tolist()}]}
    cameras = {"cameras": [row, row | {"name": "01_01", "type": "vga"}]}
    for change in changes:
        change(cameras, scene)
    poses = root / SEQUENCE / "hdPose3d_stage1_coco19"
    poses.mkdir(parents=True)
    (root / SEQUENCE / f"calibration_{SEQUENCE}.json").write_text(json.dumps(cameras))
    (poses / "body3DScene_00000120.json").write_text(json.dumps(scene))
    return root


def test_panoptic_in_metres_with_z_up(tmp_path):
    root = panoptic_folder(tmp_path)
    cameras = panoptic_cameras(root, SEQUENCE)
    assert list(cameras) == ["00_03"]
    camera, lens = cameras["00_03"]
    assert np.allclose(camera.matrix, OURS.matrix) and camera.size == (1920, 1080)
    assert lens.tolist() == [-0.2, 0.1, 0, 0, 0]
    scene = panoptic_scene(root, SEQUENCE, 120)
    assert scene.identity.tolist() == [4]
    assert np.allclose(scene.joints[0, 0], [0.1, 0.2, 1.6]) and scene.confidence[0, 0] == 0.8
    assert np.isnan(scene.joints[0, JOINTS.index("left shoulder")]).all()
    assert np.isnan(scene.joints[0, 17:]).all()
    assert len(COCO19) == 19 and len({j for j in COCO19 if j}) == 17
    assert list(panoptic_cameras(root, SEQUENCE, ["01_01"])) == ["01_01"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c, s: c["cameras"][0].update(K=[1, 2]), r"cameras\[0\]: K has 2 numbers"),
        (lambda c, s: c["cameras"][0].pop("R"), r"cameras\[0\]: the key 'R'"),
        (lambda c, s: c["cameras"][0].update(R=np.ones((3, 3)).tolist()), "no rotation"),
        (lambda c, s: c["cameras"][0].update(type="vga"), "no HD camera"),
        (lambda c, s: s["bodies"][0].update(joints19=[1.0]), r"bodies\[0\]: joints19 has 1"),
        (lambda c, s: s.pop("bodies"), "no list 'bodies'"),
        (lambda c, s: s["bodies"][0].pop("id"), "the key 'id'"),
    ],
)
def test_malformed_panoptic_names_file_and_entry(tmp_path, change, says):
    root = panoptic_folder(tmp_path, change)
    with pytest.raises(DataError, match=says) as error:
        panoptic_cameras(root, SEQUENCE)
        panoptic_scene(root, SEQUENCE, 120)
    assert ".json" in str(error.value) and "\n" not in str(error.value)


def test_missing_panoptic_files_are_named(tmp_path):
    root = panoptic_folder(tmp_path)
    with pytest.raises(DataError, match="body3DScene_00000121"):
        panoptic_scene(root, SEQUENCE, 121)
    with pytest.raises(DataError, match="no camera '09_09'"):
        panoptic_cameras(root, SEQUENCE, ["09_09"])
    with pytest.raises(DataError, match="calibration_other"):
        panoptic_cameras(root, "other")


# ---- Wildtrack -------------------------------------------------------------------------


def matrix_xml(name, values):
    return (
        f'<{name} type_id="opencv-matrix"><rows>3</rows><cols>3</cols><dt>d</dt><data>\n'
        f"{' '.join(map(str, np.ravel(values)))}</data></{name}>"
    )


def wildtrack_folder(root, *changes):
    cameras = {
        name: look_at((9 * np.cos(k), 9 * np.sin(k), 2.0), (0, 0, 1), 1000, (1920, 1080))
        for k, name in enumerate(NAMES)
    }
    files = {}
    for name, camera in cameras.items():
        files[f"calibrations/intrinsic_zero/intr_{name}.xml"] = (
            '<?xml version="1.0"?><opencv_storage>'
            + matrix_xml("camera_matrix", camera.intrinsics)
            + "</opencv_storage>"
        )
        turn = Rotation.from_matrix(camera.rotation).as_rotvec()
        files[f"calibrations/extrinsic/extr_{name}.xml"] = (
            '<?xml version="1.0"?><opencv_storage>'
            f"<rvec>{' '.join(map(str, turn))}</rvec>"
            f"<tvec>{' '.join(map(str, 100 * camera.translation))}</tvec></opencv_storage>"
        )
    views = [{"viewNum": v, "xmin": -1, "ymin": -1, "xmax": -1, "ymax": -1} for v in range(7)]
    views[2] = {"viewNum": 2, "xmin": 10, "ymin": 20, "xmax": 40, "ymax": 100}
    people = [{"personID": 122, "positionID": 480 * 360 + 120, "views": views}]
    for change in changes:
        change(files, people)
    files["annotations_positions/00000005.json"] = json.dumps(people)
    for name, text in files.items():
        path = root / "Wildtrack_dataset" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root, cameras


def test_wildtrack_cameras_and_people(tmp_path):
    root, expected = wildtrack_folder(tmp_path)
    cameras = wildtrack_cameras(root)
    assert [camera.name for camera in cameras] == list(NAMES)
    for camera in cameras:
        assert np.allclose(camera.matrix, expected[camera.name].matrix)
    frame = wildtrack_frame(root / "Wildtrack_dataset", 5)
    assert frame.identity.tolist() == [122]
    assert np.allclose(frame.ground, [[0.0, 0.0]])
    assert frame.boxes[2, 0].tolist() == [10, 20, 30, 80]
    assert np.isnan(np.delete(frame.boxes[:, 0], 2, axis=0)).all()


INTR = "calibrations/intrinsic_zero/intr_CVLab2.xml"
EXTR = "calibrations/extrinsic/extr_IDIAP3.xml"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f, p: f.update({INTR: "<a>"}), "intr_CVLab2.xml is no readable XML"),
        (lambda f, p: f.update({INTR: "<a></a>"}), "<camera_matrix> is missing"),
        (lambda f, p: f.update({EXTR: f[EXTR].replace("<rvec>", "<rvec>x ")}), "<rvec> needs 3"),
        (lambda f, p: f.pop(EXTR), "extr_IDIAP3.xml"),
        (lambda f, p: p[0].pop("positionID"), r"people\[0\]: the key 'positionID'"),
        (lambda f, p: p[0].update(positionID=-4), "not on the grid"),
        (lambda f, p: p[0].update(personID="a"), "personID is 'a'"),
        (lambda f, p: p[0]["views"][1].update(viewNum=9), "viewNum 9"),
        (lambda f, p: p[0]["views"][2].update(xmax=1), "ends before it starts"),
        (lambda f, p: p[0]["views"][2].pop("ymin"), "ymin is None"),
        (lambda f, p: p[0].update(views=3), "views is no list"),
        (lambda f, p: p.append(7), r"people\[1\]: is no object"),
    ],
)
def test_malformed_wildtrack_names_file_and_entry(tmp_path, change, says):
    root, _ = wildtrack_folder(tmp_path, change)
    with pytest.raises(DataError, match=says) as error:
        wildtrack_cameras(root)
        wildtrack_frame(root, 5)
    assert "\n" not in str(error.value)
