"""Triangle meshes from PLY, OFF and OBJ files: single files, folders, FAUST and COMA.

The order of the vertices in a file is kept, because in registered sets it carries the
correspondence. All meshes of a set must share their faces; nothing is merged or repaired.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eccvkit.data.meshes import Meshes
from eccvkit.data.readers._files import data_root, find_file, holds, parsing
from eccvkit.errors import DataError, EccvkitError, unknown

FORMATS = ("ply", "off", "obj")

FAUST_SUBJECTS = FAUST_POSES = 10

#: Options of trimesh that leave vertices as they are: neither split along the seams of a texture
#: nor dropped if they belong to no face.
_KEEP_VERTICES = {"ply": {"fix_texture": False}, "off": {}, "obj": {"maintain_order": True}}

_AGAIN = "copy or export the file again"

_Mesh = tuple[Tensor, Tensor]


def read_mesh(path: str | Path) -> _Mesh:
    """Vertices and faces of one PLY, OFF or OBJ file.

    Polygons are cut into triangles. Colours, normals and textures are passed over. The mesh may
    have several pieces or holes; :func:`~eccvkit.data.meshes.check_mesh` looks closer.

    Returns
    -------
    vertices : Tensor
        (n, 3) float32, in the order of the file.
    faces : Tensor
        (f, 3) int64

    Raises
    ------
    DataError
        The file is missing, empty, damaged or truncated, has no triangles, names a vertex that does
        not exist, or has a coordinate that is not finite.
    UnknownName
        Another format.
    """
    import trimesh

    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise unknown(f"mesh format of {path}", kind, FORMATS)
    if not path.is_file():
        raise DataError(f"there is no file {path}: correct the path or put the file there")
    with parsing(path, f"{kind.upper()} mesh", _AGAIN):
        content = path.read_bytes()
        counts = _announced(content, kind)
        content = _geometry_of_obj(content) if kind == "obj" else content
        mesh = trimesh.load_mesh(
            io.BytesIO(content), file_type=kind, process=False, **_KEEP_VERTICES[kind]
        )
        vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    if not faces.size:
        raise DataError(f"{path} has no triangles: {_AGAIN}, as a surface")
    if counts and (len(vertices) < counts[0] or len(faces) < counts[1]):
        raise DataError(
            f"{path} announces {counts[0]} vertices and {counts[1]} faces but holds "
            f"{len(vertices)} and {len(faces)}: it is truncated, {_AGAIN}"
        )
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DataError(
            f"{path}: a face names vertex {faces.max() if faces.min() >= 0 else faces.min()} but "
            f"vertices are numbered 0 to {len(vertices) - 1}: {_AGAIN}"
        )
    finite = np.isfinite(vertices).all(axis=1)
    if not finite.all():
        raise DataError(f"{path}: vertex {finite.argmin()} is NaN or infinite: {_AGAIN}")
    # as_tensor of a copy: trimesh hands out read-only views.
    return torch.tensor(vertices, dtype=torch.float32), torch.tensor(faces, dtype=torch.int64)


def _announced(content: bytes, kind: str) -> tuple[int, int] | None:
    """Numbers of vertices and faces that the header announces; OBJ files have none.

    The parser takes what it finds, so a truncated text file would otherwise pass unnoticed.
    """
    if kind == "ply":
        header = content.partition(b"end_header")[0]
        found = [re.search(rb"element %s\s+(\d+)" % name, header) for name in (b"vertex", b"face")]
        return tuple(int(match[1]) if match else 0 for match in found)
    if kind == "off":
        words = re.sub(rb"#.*", b"", content).partition(b"OFF")[2].split(maxsplit=2)
        return int(words[0]), int(words[1])
    return None


def _geometry_of_obj(content: bytes) -> bytes:
    """Positions and faces only: materials and texture seams would reorder or split vertices."""
    kept = []
    for line in content.replace(b"\\\n", b" ").splitlines():
        key, *words = line.split() or [b""]
        if key == b"v":
            kept.append(b" ".join([key, *words[:3]]))
        elif key == b"f":
            kept.append(b" ".join([key, *(word.partition(b"/")[0] for word in words)]))
    return b"\n".join(kept)


def read_mesh_folder(
    root: str | Path | None = None,
    *,
    subject: str | None = None,
    pose: str | None = None,
    pattern: str = "*.ply",
) -> Meshes:
    r"""All meshes of a folder that share their faces, in the order of their names.

    Parameters
    ----------
    root : str or Path, optional
        Default: ``ECCVKIT_DATA``.
    subject, pose : str, optional
        Regular expressions searched for in each file's path below ``root`` (with ``/`` between
        folders); the label is their first group, or all they match if they have none. If all texts
        found are numbers, they are the labels; otherwise texts are numbered in alphabetical order.
        Without an expression all labels are 0.
    pattern : str
        Which files; ``**/*.ply`` also looks into folders below.

    Returns
    -------
    Meshes

    Raises
    ------
    DataError
        No such file, an unreadable one (see :func:`read_mesh`), a path that an expression does not
        match, or two files whose vertices or faces do not correspond.
    EccvkitError
        Not a regular expression.

    Examples
    --------
    For files like ``anna/walk_07.ply``::

        read_mesh_folder(root, subject=r"^(\w+)/", pose=r"_(\d+)\.", pattern="*/*.ply")
    """
    root = data_root(root)
    paths = sorted(path for path in root.glob(pattern) if path.is_file())
    if not paths:
        raise DataError(
            f"no file {pattern} in {root} ({holds(root)}): correct root, or pass another pattern"
        )
    names = [path.relative_to(root).as_posix() for path in paths]
    return _read_registered(paths, _labels("subject", subject, names), _labels("pose", pose, names))


def _labels(what: str, expression: str | None, names: Sequence[str]) -> list[int]:
    if expression is None:
        return [0] * len(names)
    try:
        search = re.compile(expression).search
    except re.error as error:
        raise EccvkitError(
            f"{what}={expression!r} is no regular expression ({error}): correct it"
        ) from error
    texts = []
    for name in names:
        match = search(name)
        found = match and match[1 if match.re.groups else 0]
        if not found:
            raise DataError(
                f"{what}={expression!r} finds nothing in {name}: correct the expression, "
                "or leave the file out by pattern"
            )
        texts.append(found)
    if all(re.fullmatch("[0-9]+", text) for text in texts):
        return [int(text) for text in texts]
    rank = {text: k for k, text in enumerate(sorted(set(texts)))}
    return [rank[text] for text in texts]


def _read_registered(paths: Sequence[Path], subject: list[int], pose: list[int]) -> Meshes:
    """Read files one by one and compare each with the first."""
    first, faces = read_mesh(paths[0])
    vertices = first.new_empty(len(paths), *first.shape)
    vertices[0] = first
    advice = "register all meshes to one template, or leave the file out"
    for k, path in enumerate(paths[1:], start=1):
        own, own_faces = read_mesh(path)
        if len(own) != len(first):
            raise DataError(
                f"{path} has {len(own)} vertices but {paths[0]} has {len(first)}: {advice}"
            )
        if not torch.equal(own_faces, faces):
            raise DataError(f"{path} has other faces than {paths[0]}: {advice}")
        vertices[k] = own
    return Meshes(vertices, faces, torch.tensor(subject), torch.tensor(pose))


def read_faust(root: str | Path | None = None) -> Meshes:
    """FAUST's training registrations: 10 subjects in 10 poses, 6890 vertices each.

    Parameters
    ----------
    root : str or Path, optional
        Folder with ``tr_reg_000.ply`` to ``tr_reg_099.ply``, or with the folder ``MPI-FAUST`` as
        published. Default: ``ECCVKIT_DATA``.

    Returns
    -------
    Meshes
        In metres; file 10 s + p is subject s in pose p.

    Raises
    ------
    DataError
        A file is missing, damaged, or of other connectivity.
    """
    names = [f"tr_reg_{k:03d}.ply" for k in range(FAUST_SUBJECTS * FAUST_POSES)]
    advice = "unpack FAUST there (the registrations are in MPI-FAUST/training/registrations)"
    below = "training/registrations"
    places = (f"MPI-FAUST/{below}", below, "registrations", ".")
    folder = find_file(data_root(root), names[:1], advice, places).parent
    paths = [find_file(folder, [name], advice) for name in names]
    labels = range(len(names))
    return _read_registered(
        paths, [k // FAUST_POSES for k in labels], [k % FAUST_POSES for k in labels]
    )


def read_coma(root: str | Path | None = None, *, every: int | None = None) -> Meshes:
    """COMA's registered faces: 12 subjects, 12 expressions as sequences, 5023 vertices each.

    By default each subject gives one neutral frame and one frame per expression, few enough for
    the small training sets of LIMP (Cosmo et al. 2020). The neutral frame is the first one of the
    subject's first sequence, since sequences start from a relaxed face; an expression is
    represented by the middle frame of its sequence.

    Eyeballs are loose pieces: :func:`eccvkit.data.decimate.largest_piece` leaves the face alone.

    Parameters
    ----------
    root : str or Path, optional
        Folder with ``<subject>/<expression>/*.ply``, or with a folder ``COMA`` or ``coma`` that
        holds it. Default: ``ECCVKIT_DATA``.
    every : int, optional
        Instead, take each sequence's frames 0, every, 2 * every, ...

    Returns
    -------
    Meshes
        Subjects are numbered by name. Pose 0 is neutral, and pose k is the k-th expression by name
        among those found; with ``every`` there is no pose 0.

    Raises
    ------
    DataError
        No such files, or one that is damaged or of other connectivity.
    EccvkitError
        ``every`` is below 1.
    """
    if every is not None and every < 1:
        raise EccvkitError(f"every={every} selects no frame: use 1 or more")
    sequences = _sequences(data_root(root))
    subjects = sorted({subject for subject, _ in sequences})
    expressions = sorted({expression for _, expression in sequences})
    chosen = list(_neutral_and_middle(sequences) if every is None else _thinned(sequences, every))
    return _read_registered(
        [path for path, _, _ in chosen],
        [subjects.index(subject) for _, subject, _ in chosen],
        [0 if name is None else 1 + expressions.index(name) for _, _, name in chosen],
    )


_Sequences = dict[tuple[str, str], list[Path]]


def _sequences(root: Path) -> _Sequences:
    """Frames in order of their names, for each subject and expression in order of theirs."""
    for place in (root / "COMA", root / "coma", root):
        sequences: _Sequences = {}
        for path in sorted(place.glob("*/*/*.ply")):
            key = (path.parent.parent.name, path.parent.name)
            sequences.setdefault(key, []).append(path)
        if sequences:
            return sequences
    raise DataError(
        f"no <subject>/<expression>/*.ply in {root} ({holds(root)}): unpack COMA there, "
        "one folder per subject"
    )


def _neutral_and_middle(sequences: _Sequences) -> Iterator[tuple[Path, str, str | None]]:
    seen = set()
    for (subject, expression), frames in sequences.items():
        if subject not in seen:
            seen.add(subject)
            yield frames[0], subject, None
        yield frames[len(frames) // 2], subject, expression


def _thinned(sequences: _Sequences, every: int) -> Iterator[tuple[Path, str, str | None]]:
    for (subject, expression), frames in sequences.items():
        for path in frames[::every]:
            yield path, subject, expression
