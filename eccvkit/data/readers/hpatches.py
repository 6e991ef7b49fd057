"""HPatches sequences (Balntas et al. 2017): six images each, related by known homographies.

A sequence is a folder ``i_<name>`` (the light changes) or ``v_<name>`` (the viewpoint changes) with
``1.ppm`` to ``6.ppm`` and ``H_1_2`` to ``H_1_6``: text files of 3 x 3 numbers that take pixels of
image 1 to pixels of the other one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from eccvkit.data.homography_pairs import Pairs
from eccvkit.data.readers._files import data_root, find_file, holds, parsing
from eccvkit.data.readers._images import load_images
from eccvkit.errors import DataError, unknown

IMAGES = 6
KINDS = {"illum": "i_", "view": "v_"}
#: Sequences that D2-Net and later papers leave out because of their resolution: 108 of 116 remain.
TOO_LARGE = (
    "i_contruction",
    "i_crownnight",
    "i_dc",
    "i_pencils",
    "i_whitebuilding",
    "v_artisans",
    "v_astronautis",
    "v_talent",
)


@dataclass(frozen=True)
class HPatchesSequence:
    """One sequence.

    Attributes
    ----------
    name : str
        Name of the folder.
    images : tuple of ndarray
        Six uint8 (H, W, 3), the reference first; they may differ in size.
    homographies : ndarray
        (5, 3, 3) float64, from the reference to images 2 to 6, on (x, y, 1).
    """

    name: str
    images: tuple[np.ndarray, ...]
    homographies: np.ndarray

    @property
    def kind(self) -> str:
        """Either "illum" or "view"."""
        return next(kind for kind, prefix in KINDS.items() if self.name.startswith(prefix))

    def pairs(self) -> Iterator[Pairs]:
        """The reference with each other image: five pairs of batch size 1."""
        first, *others = (
            torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
            for image in self.images
        )
        for second, homography in zip(others, self.homographies):
            yield Pairs(first, second, torch.from_numpy(homography)[None])


def hpatches(
    root: str | Path | None = None, *, kind: str | None = None, large: bool = False
) -> Iterator[HPatchesSequence]:
    """Read the sequences one by one, in the order of their names.

    Parameters
    ----------
    root : str or Path, optional
        Folder of the sequences, or one that holds it as ``hpatches-sequences-release``. Default:
        ``ECCVKIT_DATA``.
    kind : {"illum", "view"}, optional
        Only these.
    large : bool
        Also those of :data:`TOO_LARGE`.

    Yields
    ------
    HPatchesSequence

    Raises
    ------
    DataError
        No sequence, a missing or damaged file, or a homography that is none.
    UnknownName
        No such kind.
    """
    if kind is not None and kind not in KINDS:
        raise unknown("kind of sequence", kind, KINDS)
    prefixes = tuple(KINDS.values()) if kind is None else (KINDS[kind],)
    # Not a generator itself, so that a wrong folder is told at once.
    return map(_read, _folders(data_root(root), prefixes, large))


def _folders(root: Path, prefixes: tuple[str, ...], large: bool) -> list[Path]:
    for place in (root / "hpatches-sequences-release", root):
        found = sorted(
            p
            for p in (place.iterdir() if place.is_dir() else ())
            if p.is_dir() and p.name.startswith(prefixes) and (large or p.name not in TOO_LARGE)
        )
        if found:
            return found
    raise DataError(
        f"no folder {' or '.join(p + '*' for p in prefixes)} in {root} ({holds(root)}): unpack "
        "hpatches-sequences-release.tar.gz there"
    )


def _read(folder: Path) -> HPatchesSequence:
    advice = "unpack hpatches-sequences-release.tar.gz again"
    paths = [find_file(folder, [f"{k}.ppm"], advice) for k in range(1, IMAGES + 1)]
    texts = [find_file(folder, [f"H_1_{k}"], advice) for k in range(2, IMAGES + 1)]
    images = tuple(load_images([path])[0] for path in paths)
    return HPatchesSequence(folder.name, images, np.stack([_homography(p) for p in texts]))


def _homography(path: Path) -> np.ndarray:
    remedy = "unpack hpatches-sequences-release.tar.gz again"
    with parsing(path, "text file of 3 x 3 numbers", remedy):
        matrix = np.loadtxt(path, dtype=np.float64, ndmin=2)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or np.linalg.det(matrix) == 0:
        raise DataError(
            f"{path} holds a matrix of shape {matrix.shape} that is no homography (3 x 3, finite, "
            f"invertible): {remedy}"
        )
    return matrix
