"""Real images that ship inside our dependencies: nothing is downloaded.

Handwritten digits come from scikit-learn, photographs from the files that scikit-image's wheel
contains (its other images would be fetched from the network, so they are not offered here).
"""

from __future__ import annotations

import numpy as np
import torch

from eccvkit.errors import unknown

#: Photographs inside scikit-image's wheel, by the name of their loader in ``skimage.data``.
PHOTOS = (
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
    "immunohistochemistry",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)


def digits(device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """1,797 real handwritten digits of 8 x 8 pixels (scikit-learn's ``load_digits``).

    Returns
    -------
    images : torch.Tensor
        (1797, 1, 8, 8) float32 in [0, 1]; the source counts ink from 0 to 16.
    labels : torch.Tensor
        (1797,) int64, 0 to 9.

    References
    ----------
    UCI Optical Recognition of Handwritten Digits, test part (Alpaydin and Kaynak, 1998).
    """
    from sklearn.datasets import load_digits

    source = load_digits()
    images = torch.as_tensor(source.images / 16.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.as_tensor(source.target, dtype=torch.int64)
    return images.to(device), labels.to(device)


def photo(name: str) -> np.ndarray:
    """One bundled photograph as float32 (H, W, 3) in [0, 1]; grey images are repeated.

    Raises
    ------
    UnknownName
        ``name`` is not in :data:`PHOTOS`.
    """
    import skimage.data
    from skimage.color import gray2rgb
    from skimage.util import img_as_float32

    if name not in PHOTOS:
        raise unknown("photo", name, PHOTOS)
    image = img_as_float32(getattr(skimage.data, name)())
    return gray2rgb(image) if image.ndim == 2 else image[..., :3]


def photos(names: tuple[str, ...] = PHOTOS) -> dict[str, np.ndarray]:
    """Several bundled photographs by name, see :func:`photo`."""
    return {name: photo(name) for name in names}
