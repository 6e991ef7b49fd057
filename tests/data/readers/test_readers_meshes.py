import numpy as np
import pytest
import torch
import trimesh

from eccvkit.data.readers.meshes import read_coma, read_faust, read_mesh, read_mesh_folder
from eccvkit.errors import EccvkitError, UnknownName

# The second vertex belongs to no triangle, and the last two occur twice: both must stay.
VERTICES = [[0, 0, 0], [9, 9, 9], [1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 0]]
FACES = [[0, 2, 3], [2, 4, 3]]

PLY = """ply
format ascii 1.0
element vertex 6
property float x
property float y
property float z
element face 2
property list uchar int vertex_indices
end_header
0 0 0
9 9 9
1 0 0
0 1 0
1 1 0
1 1 0
3 0 2 3
3 2 4 3
"""
OFF = "OFF # a comment\n6 2 0\n0 0 0\n9 9 9\n1 0 0\n0 1 0\n1 1 0\n1 1 0\n3 0 2 3\n3 2 4 3\n"
V = "v 0 0 0\nv 9 9 9\nv 1 0 0\nv 0 1 0\nv 1 1 0\nv 1 1 0\n"
OBJ = V + "f 1 3 4\nf 3 5 4\n"
TEXTURED = f"mtllib none.mtl\no a\n{V}vt 0 0\nvt 1 0\nvn 0 0 1\nusemtl x\nf 1/1/1 3/2/1 4/1/1\n"
TEXTURED += "g b\nusemtl y\ns 1\nf 3/1/1 5/2/1 4/2/1\n"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def mesh_file(path, vertices=VERTICES, faces=FACES):
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    return write(path, mesh.export(file_type=path.suffix[1:]))


def moved(by):
    return (np.array(VERTICES) + by).tolist()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ply", PLY),
        ("a.PLY", PLY),
        ("a.off", OFF),
        ("a.obj", OBJ),
        ("b.obj", TEXTURED),
        ("c.obj", V + "f -6 -4 -3\nf 3 \\\n5 4\n"),
    ],
)
def test_vertices_and_faces_come_as_they_stand(tmp_path, name, content):
    vertices, faces = read_mesh(write(tmp_path / name, content))
    assert vertices.tolist() == VERTICES and faces.tolist() == FACES
    assert vertices.dtype == torch.float32 and faces.dtype == torch.int64


def test_binary_ply(tmp_path):
    vertices, faces = read_mesh(mesh_file(tmp_path / "a.ply"))
    assert vertices.tolist() == VERTICES and faces.tolist() == FACES


def test_texture_seams_do_not_split_vertices(tmp_path):
    header = PLY.replace("end_header", "property list uchar float texcoord\nend_header")
    seam = header.replace("3 0 2 3\n", "3 0 2 3 6 0 0 1 0 0 1\n")
    seam = seam.replace("3 2 4 3\n", "3 2 4 3 6 .5 0 1 1 0 .5\n")
    vertices, faces = read_mesh(write(tmp_path / "a.ply", seam))
    assert vertices.tolist() == VERTICES and faces.tolist() == FACES


def test_polygons_become_triangles(tmp_path):
    square = PLY.replace("3 2 4 3", "4 0 2 4 3")
    faces = read_mesh(write(tmp_path / "a.ply", square))[1]
    assert faces.tolist() == [[0, 2, 3], [0, 2, 4], [4, 3, 0]]


BINARY = trimesh.Trimesh(VERTICES, FACES, process=False).export(file_type="ply")


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("a.ply", "", "no readable PLY mesh"),
        ("a.off", "", "no readable OFF mesh"),
        ("a.obj", "", "has no triangles"),
        ("a.ply", "hello\n", "no readable PLY mesh"),
        ("a.ply", BINARY[:-5], "no readable PLY mesh"),
        ("a.ply", BINARY[:-40], "no readable PLY mesh"),
        ("a.ply", PLY[:-8], "announces 6 vertices and 2 faces but holds 6 and 1"),
        ("a.ply", PLY[:-20], "a.ply"),
        ("a.off", OFF[:-8], "announces 6 vertices and 2 faces but holds 6 and 1"),
        ("a.ply", PLY.replace("2 4 3", "2 4 6"), "names vertex 6 but vertices are numbered 0 to 5"),
        ("a.off", OFF.replace("2 4 3", "2 4 -1"), "outside the range"),
        ("a.obj", OBJ.replace("3 5 4", "3 5 9"), "no readable OBJ mesh"),
        ("a.obj", V, "has no triangles"),
        ("a.ply", PLY.replace("2 4 3", "2 4 -1"), "names vertex -1 but"),
        ("a.ply", PLY.replace("9 9 9", "9 nan 9"), "vertex 1 is NaN"),
    ],
)
def test_damaged_files(tmp_path, message, name, content, part):
    file = write(tmp_path / name, content)
    text = message(read_mesh, file)
    assert str(file) in text and part in text
    assert "export the file again" in text


def test_missing_file_and_foreign_format(tmp_path, message):
    assert "there is no file" in message(read_mesh, tmp_path / "a.ply")
    with pytest.raises(UnknownName, match=r"mesh format of .*a\.stl 'stl': .*Valid: ply, off, obj"):
        read_mesh(write(tmp_path / "a.stl", "solid"))


# Folders


def test_folder_labels_by_number(tmp_path):
    for subject, pose in [(7, 2), (7, 10), (12, 2)]:
        mesh_file(tmp_path / f"s{subject:02d}_p{pose:02d}.ply", moved(subject + pose))
    write(tmp_path / "notes.txt", "no mesh")
    meshes = read_mesh_folder(tmp_path, subject=r"s(\d+)", pose=r"p(\d+)")
    assert meshes.subject.tolist() == [7, 7, 12] and meshes.pose.tolist() == [2, 10, 2]
    assert meshes.vertices[:, 0, 0].tolist() == [9, 17, 14]
    assert meshes.faces.tolist() == FACES


def test_folder_labels_by_name_below(tmp_path, monkeypatch):
    for name in ("bob/run", "anna/walk", "anna/run"):
        mesh_file(tmp_path / f"{name}.off")
    monkeypatch.setenv("ECCVKIT_DATA", str(tmp_path))
    meshes = read_mesh_folder(subject="^[a-z]+", pose=r"/(\w+)\.", pattern="**/*.off")
    assert meshes.subject.tolist() == [0, 0, 1] and meshes.pose.tolist() == [0, 1, 0]
    plain = read_mesh_folder(pattern="anna/*.off")
    assert plain.subject.tolist() == plain.pose.tolist() == [0, 0]


def test_folder_of_meshes_that_do_not_correspond(tmp_path, message):
    first, other = mesh_file(tmp_path / "a.ply"), tmp_path / "b.ply"
    mesh_file(other, VERTICES[:5])
    text = message(read_mesh_folder, tmp_path)
    assert f"{other} has 5 vertices but {first} has 6: register" in text
    mesh_file(other, faces=FACES[::-1])
    assert f"{other} has other faces than {first}" in message(read_mesh_folder, tmp_path)
    other.write_text("")
    assert f"{other} is no readable PLY mesh" in message(read_mesh_folder, tmp_path)


def test_folder_with_nothing_to_read(tmp_path, message):
    mesh_file(tmp_path / "a.off")
    assert f"no file *.ply in {tmp_path} ({tmp_path} holds a.off)" in message(
        read_mesh_folder, tmp_path
    )
    text = message(read_mesh_folder, tmp_path, subject=r"(\d+)", pattern="*.off")
    assert r"subject='(\\d+)' finds nothing in a.off" in text
    with pytest.raises(EccvkitError, match="pose='\\(' is no regular expression"):
        read_mesh_folder(tmp_path, pose="(", pattern="*.off")


# FAUST and COMA


@pytest.fixture(scope="module")
def faust(tmp_path_factory):
    root = tmp_path_factory.mktemp("faust")
    for k in range(100):
        mesh_file(root / f"MPI-FAUST/training/registrations/tr_reg_{k:03d}.ply", moved(k))
    return root


@pytest.mark.parametrize("place", [".", "MPI-FAUST", "MPI-FAUST/training/registrations"])
def test_faust(faust, place):
    meshes = read_faust(faust / place)
    assert meshes.vertices[:, 0, 2].tolist() == list(range(100))
    assert (10 * meshes.subject + meshes.pose).tolist() == list(range(100))
    assert meshes.subject[[0, 9, 10, 99]].tolist() == [0, 0, 1, 9]


def test_faust_missing_file(faust, message, tmp_path):
    assert "found no tr_reg_000.ply" in message(read_faust, tmp_path)
    for k in range(42):
        mesh_file(tmp_path / f"tr_reg_{k:03d}.ply")
    text = message(read_faust, tmp_path)
    assert "found no tr_reg_042.ply" in text and "unpack FAUST there" in text


@pytest.fixture
def coma(tmp_path):
    value = 0
    for subject in ("Tom", "Ann"):
        for expression, frames in (("smile", 4), ("cheeks", 3)):
            for frame in range(1, frames + 1):
                path = tmp_path / f"coma/{subject}/{expression}/{expression}.{frame:06d}.ply"
                mesh_file(path, moved(value))
                value += 1
    return tmp_path


def test_coma_takes_neutral_and_middle_frames(coma):
    # Values: Tom smile 0-3, cheeks 4-6; Ann smile 7-10, cheeks 11-13.
    meshes = read_coma(coma)
    assert meshes.vertices[:, 0, 0].tolist() == [11, 12, 9, 4, 5, 2]
    assert meshes.subject.tolist() == [0, 0, 0, 1, 1, 1]
    assert meshes.pose.tolist() == [0, 1, 2, 0, 1, 2]


def test_coma_every_second_frame(coma):
    meshes = read_coma(coma / "coma", every=2)
    assert meshes.vertices[:, 0, 0].tolist() == [11, 13, 7, 9, 4, 6, 0, 2]
    assert meshes.pose.tolist() == [1, 1, 2, 2, 1, 1, 2, 2]
    assert len(read_coma(coma, every=100)) == 4


def test_coma_errors(coma, message, tmp_path):
    with pytest.raises(EccvkitError, match="every=0"):
        read_coma(coma, every=0)
    odd = coma / "coma/Tom/smile/smile.000003.ply"
    mesh_file(odd, VERTICES[:5])
    assert f"{odd} has 5 vertices" in message(read_coma, coma)
    (tmp_path / "empty").mkdir()
    text = message(read_coma, tmp_path / "empty")
    assert "<subject>/<expression>/*.ply" in text and "unpack COMA there" in text
