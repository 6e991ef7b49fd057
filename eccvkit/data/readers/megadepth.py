"""MegaDepth (Li and Snavely 2018) as D2-Net prepares it: scenes with images, depth and poses.

``scene_info/<scene>.npz`` names, for each image of a scene, the image file, the depth file, the
intrinsics (3 x 3), and the pose (4 x 4, world to camera); entries of images without depth are None.
Paths start from the root. Depth is an HDF5 file with one array ``depth`` (needs ``h5py``), or an
``.npy`` or ``.npz`` file of the same name. A depth of 0 is unknown.

The lists with None are pickles inside the npz file. They are read by an unpickler that imports
nothing: it knows stand-ins for numpy's arrays and refuses everything else.

**Pixel centres.** The intrinsics come from COLMAP, where the centre of the first pixel is
(0.5, 0.5); points here have it at (0, 0), see :mod:`eccvkit.data.homography_pairs`.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eccvkit.data.homography_pairs import inside
from eccvkit.data.readers._files import data_root, find_file, parsing
from eccvkit.data.readers._images import load_images
from eccvkit.errors import DataError, EccvkitError

#: Largest relative difference between a point's depth and the one measured where it lands.
DEPTH_TOLERANCE = 0.05

_AGAIN = "prepare the scene again with D2-Net's scripts"


@dataclass(frozen=True)
class View:
    """One image with its camera.

    Attributes
    ----------
    image : Tensor
        (3, H, W) in [0, 1].
    depth : Tensor
        (H, W) float32 in units of the scene; 0 where unknown.
    intrinsics, pose : Tensor
        (3, 3) and (4, 4) float64; the pose takes world points into the camera.
    """

    image: Tensor
    depth: Tensor
    intrinsics: Tensor
    pose: Tensor


@dataclass(frozen=True)
class DepthPair:
    """Two views of a scene; behaves like :class:`eccvkit.data.homography_pairs.Pairs` of one."""

    a: View
    b: View

    def __len__(self) -> int:
        return 1

    @property
    def first(self) -> Tensor:
        """Image A, (1, 3, H, W)."""
        return self.a.image[None]

    @property
    def second(self) -> Tensor:
        """Image B, (1, 3, H', W')."""
        return self.b.image[None]

    def truth(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Where points (1, K, 2) of A lie in B, and where that is known; see :func:`transfer`."""
        located, known = transfer(points[0].cpu().double(), self.a, self.b)
        return located[None].to(points), known[None].to(points.device)


@dataclass(frozen=True)
class Scene:
    """The usable images of one scene.

    Attributes
    ----------
    root : Path
    images, depths : tuple of str
        Paths below the root, one per usable image.
    intrinsics, poses : ndarray
        (n, 3, 3) and (n, 4, 4) float64.
    overlap : ndarray
        (n, n) share of the points of image i that image j sees too.
    """

    root: Path
    images: tuple[str, ...]
    depths: tuple[str, ...]
    intrinsics: np.ndarray
    poses: np.ndarray
    overlap: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def pairs(self, least: float = 0.0, most: float = 1.0) -> np.ndarray:
        """Pairs (i, j), shape (n, 2), with an overlap above ``least`` and at most ``most``."""
        chosen = (self.overlap > least) & (self.overlap <= most)
        return np.argwhere(chosen & ~np.eye(len(self), dtype=bool))

    def view(self, index: int) -> View:
        """Read one image with its depth.

        Raises
        ------
        DataError
            A file is missing or damaged, or depth and image differ in size.
        """
        image_path = find_file(self.root, [self.images[index]], "unpack MegaDepth there")
        image = torch.from_numpy(load_images([image_path])[0].copy()).permute(2, 0, 1).float() / 255
        depth = read_depth(self.root, self.depths[index])
        if depth.shape != image.shape[1:]:
            raise DataError(
                f"{self.depths[index]} has shape {tuple(depth.shape)} but its image "
                f"{tuple(image.shape[1:])}: {_AGAIN}"
            )
        intrinsics, pose = (torch.from_numpy(a[index]) for a in (self.intrinsics, self.poses))
        return View(image, depth, intrinsics, pose)

    def pair(self, i: int, j: int) -> DepthPair:
        """Read images i and j."""
        return DepthPair(self.view(i), self.view(j))


def megadepth_scene(root: str | Path | None, scene: str) -> Scene:
    """Read the index of a scene.

    Parameters
    ----------
    root : str or Path or None
        Folder that holds ``scene_info/`` and what its paths start from. None: ``ECCVKIT_DATA``.
    scene : str
        "0000" for ``scene_info/0000.npz``.

    Raises
    ------
    DataError
        The file is missing or damaged, wants to import something, or its arrays do not fit.
    """
    root = data_root(root)
    path = find_file(root, [f"{scene}.npz"], _AGAIN, ("scene_info", "."))
    content = {
        name: _read_entry(path, name)
        for name in ("image_paths", "depth_paths", "intrinsics", "poses", "overlap_matrix")
    }
    counts = {name: len(value) for name, value in content.items()}
    if len(set(counts.values())) != 1:
        raise DataError(f"{path}: entries of different lengths {counts}: {_AGAIN}")
    usable = [
        k
        for k in range(counts["image_paths"])
        if all(content[n][k] is not None for n in ("image_paths", "depth_paths", "poses"))
    ]
    with parsing(path, "scene index", _AGAIN):
        intrinsics = np.array([content["intrinsics"][k] for k in usable], dtype=np.float64)
        poses = np.array([content["poses"][k] for k in usable], dtype=np.float64)
        overlap = np.array([list(row) for row in content["overlap_matrix"]], dtype=np.float64)
        overlap = overlap[np.ix_(usable, usable)]
        n = len(usable)
        cameras = intrinsics.reshape(n, 3, 3), poses.reshape(n, 4, 4)
    names = (
        tuple(str(content[name][k]) for k in usable) for name in ("image_paths", "depth_paths")
    )
    return Scene(root, *names, *cameras, overlap)


def read_depth(root: Path, name: str) -> Tensor:
    """Depth (H, W) float32 from an ``.h5`` file, or from ``.npy`` or ``.npz`` of the same stem.

    Raises
    ------
    DataError
        No such file, a damaged one, or an HDF5 file while ``h5py`` is not installed.
    """
    stem = str(Path(name).with_suffix(""))
    path = find_file(root, [f"{stem}.npy", f"{stem}.npz", name], "unpack MegaDepth there")
    with parsing(path, "depth map", "unpack MegaDepth again"):
        if path.suffix in (".h5", ".hdf5"):
            depth = _read_hdf5(path)
        else:
            loaded = np.load(path, allow_pickle=False)
            depth = loaded if isinstance(loaded, np.ndarray) else loaded["depth"]
        depth = np.asarray(depth, dtype=np.float32)
    if depth.ndim != 2 or not np.isfinite(depth).all() or (depth < 0).any():
        raise DataError(
            f"{path} holds depth of shape {depth.shape}; expected (H, W), finite, at least 0: "
            "unpack MegaDepth again"
        )
    return torch.from_numpy(depth)


def _read_hdf5(path: Path) -> np.ndarray:
    try:
        import h5py
    except ImportError:
        raise DataError(
            f"{path} is an HDF5 file: install h5py, or save its array depth as "
            f"{path.with_suffix('.npy').name} beside it"
        ) from None
    with h5py.File(path, "r") as file:
        return file["depth"][()]


def transfer(points: Tensor, a: View, b: View) -> tuple[Tensor, Tensor]:
    """Carry points (K, 2) of view A into view B by the depth of A.

    Returns
    -------
    located : Tensor
        (K, 2) float64; infinite where A has no depth or the point is behind camera B.
    known : Tensor of bool
        (K,): it lies in B, and the depth measured there agrees within :data:`DEPTH_TOLERANCE`.
        Otherwise something hides it, or the depth is unknown.

    Raises
    ------
    EccvkitError
        A point lies outside of A.
    """
    if not bool(inside(points, a.depth.shape, -0.5).all()):
        raise EccvkitError("transfer: a point lies outside of image A; pass points (x, y) inside")
    points = points.double()
    depth = _at(a.depth, points)
    ones = torch.ones(len(points), 1, dtype=torch.float64)
    rays = torch.cat([points + 0.5, ones], dim=1) @ torch.linalg.inv(a.intrinsics).mT
    in_a = torch.cat([rays * depth[:, None], ones], dim=1)
    in_b = (in_a @ torch.linalg.inv(a.pose).mT @ b.pose.mT)[:, :3]
    image = in_b @ b.intrinsics.mT
    in_front = (in_b[:, 2] > 0) & (depth > 0)
    located = image[:, :2] / image[:, 2:] - 0.5
    located = torch.where(in_front[:, None], located, torch.inf)
    lands = in_front & inside(located, b.depth.shape, 0.0)
    there = _at(b.depth, torch.where(lands[:, None], located, 0.0))
    agrees = (there - in_b[:, 2]).abs() <= DEPTH_TOLERANCE * there
    return located, lands & (there > 0) & agrees


def _at(depth: Tensor, points: Tensor) -> Tensor:
    """Depth (K,) float64 at the pixels that hold points (K, 2): no average across an edge."""
    height, width = depth.shape
    x, y = (points + 0.5).floor().long().unbind(-1)
    return depth[y.clamp(0, height - 1), x.clamp(0, width - 1)].double()


# ---- object arrays without importing anything ------------------------------------------


class _Dtype:
    """Stand-in for ``numpy.dtype``: floats, and objects."""

    def __init__(self, name: bytes | str, *options: object) -> None:
        self.name = name.decode() if isinstance(name, bytes) else name
        if self.name not in ("f4", "f8", "O8", "O"):
            raise pickle.UnpicklingError(f"an array of {self.name!r}, not of floats or objects")

    def __setstate__(self, state: tuple) -> None:
        """Byte order is the second entry; the rest are fields and flags that are not used."""
        if state[1] == ">":
            raise pickle.UnpicklingError("an array of big-endian numbers")


class _Array:
    """Stand-in for ``numpy.ndarray`` and ``numpy.core.multiarray._reconstruct``."""

    def __init__(self, *options: object) -> None:
        self.values: Any = []

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, is_fortran, content = state
        if dtype.name.startswith("O"):
            if len(shape) != 1 or not isinstance(content, list) or len(content) != shape[0]:
                raise pickle.UnpicklingError(f"objects of shape {shape}, not a list")
            self.values = content
        else:
            flat = np.frombuffer(content, dtype="<" + dtype.name)
            self.values = flat.reshape(shape, order="F" if is_fortran else "C")


_STAND_INS = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    # numpy 2 renamed its core.
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
}


class _Unpickler(pickle.Unpickler):
    """Unpickler that rebuilds lists of floats, strings and None, and imports nothing."""

    def __init__(self, content: bytes, path: Path) -> None:
        super().__init__(io.BytesIO(content))
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        """Answer the request for ``module.name`` with a stand-in, or refuse it."""
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise DataError(
                f"{self.path} wants to import {module}.{name}, so it is no scene index (nothing "
                f"was executed): delete it and {_AGAIN}"
            ) from None


def _read_entry(path: Path, name: str) -> Any:
    """One array of an npz file: a plain one as such, an object array as a list."""
    with parsing(path, "scene index", _AGAIN), zipfile.ZipFile(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            raise DataError(f"{path} has no array {name}: {_AGAIN}")
        stream = io.BytesIO(archive.read(f"{name}.npy"))
        version = np.lib.format.read_magic(stream)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        _shape, _order, dtype = read_header(stream)
        if not dtype.hasobject:
            stream.seek(0)
            return np.load(stream, allow_pickle=False)
        array = _Unpickler(stream.read(), path).load()
        return [v.values if isinstance(v, _Array) else v for v in array.values]
