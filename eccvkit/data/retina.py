"""Blood vessels of the retina: the one real network of thin curves that a dependency brings along.

scikit-image's wheel holds a fundus photograph (``skimage.data.retina``, 1411 x 1411). Its vessels
are found here by a classical segmentation and cut into patches. There is no manual annotation of
this photograph, so the mask is as good as the segmentation: the arcades and their branches are
there, the finest capillaries and the vessels around the macula are not.

**One eye is little data.** At the default scale the photograph holds about twenty patches of
32 x 32 that do not overlap in each half. Thousands can be drawn, but they are shifted, turned and
mirrored views of the same vessels, and train and test show the same eye. Statements on these
patches are statements on this retina; for others read DRIVE with
:func:`eccvkit.data.readers.masks.read_drive`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage
from torch import Tensor

from eccvkit.data.bundled import photo
from eccvkit.data.patches import mask_patches
from eccvkit.errors import EccvkitError, unknown

# All lengths are in pixels of the photograph at half size (705 x 705), where most vessels are 2 to
# 8 pixels wide: wide enough for the filters, and a quarter of the time of the full size.

#: Red is 0.5 and more inside the field of view, and below 0.02 around it.
LIT = 0.2
#: The field is opened with a disc of this radius: removes the camera's notch at the upper right.
NOTCH = 100
#: At the very rim the light falls off and the photograph is not used; filters see the background
#: there, which bends their answer over a few more pixels, so the mask starts further inside.
RIM, TRUSTED = 4, 8
#: Gaussian for the background: far wider than a vessel, narrower than the fall of the light.
BACKGROUND = 20.0
#: Gaussian against the noise of the camera, thinner than the thinnest vessel that is kept.
NOISE = 0.7
#: Radius of the top-hat: every vessel is narrower than its disc, the optic disc (75 wide) is not.
#: So vessels stay, and the bright disc's edge, which a ridge filter takes for one, goes.
TOP_HAT = 8
#: Standard deviations of the ridge filter; one of width w answers most strongly at about w / 3.5.
RIDGES = (1.0, 1.5, 2.0, 3.0)
#: Ridge strength (contrast relative to the background): a vessel must reach the upper threshold
#: somewhere and is followed down to the lower one. Three quarters of the retina, which are bare,
#: lie below 0.013.
FOLLOW, START = 0.027, 0.06
#: Pieces of at most this many pixels are dropped: what they are is mostly the dark crescent of
#: pigment at the right rim of the optic disc.
SPECK = 250

#: At least so many rows of patch pixels between the two parts belong to neither.
GUARD = 8
#: A patch pixel is vessel where a third of its area is. Half, which keeps the area, breaks the
#: thin diagonal vessels: 39 pieces instead of 2 (the full mask has 4) at the default scale.
COVERED = 1 / 3
#: Holes of at most this many patch pixels come from rounding and are filled.
PINHOLE = 2
#: Part of the retina, by whether it is the upper half.
PARTS = {"train": True, "test": False}


def retina_vessels() -> tuple[np.ndarray, np.ndarray]:
    """Segment the vessels of the bundled fundus photograph; computed once, in about a second.

    Green channel, where blood is darkest; contrast relative to a wide Gaussian background; black
    top-hat; multi-scale ridge filter (Sato); hysteresis threshold; small pieces removed. The
    constants above say why they have their values.

    Returns
    -------
    mask : ndarray of bool, (705, 705)
        True on vessels. About 13% of the field of view.
    field_of_view : ndarray of bool, (705, 705)
        The disc in which the mask can be trusted.

    References
    ----------
    The photograph: Häggström, Medical gallery of Mikael Häggström 2014, WikiJournal of Medicine
    1(2), 2014; a normal left eye, in the public domain (CC0).

    Sato et al., Three-dimensional multi-scale line filter for segmentation and visualization of
    curvilinear structures in medical images, Medical Image Analysis 2(2), 1998.
    """
    mask, field = _segmentation()
    return mask.copy(), field.copy()


def retina_patches(
    size: int = 32,
    *,
    n: int,
    part: str = "train",
    seed: int = 0,
    scale: int = 3,
    least: float = 0.1,
) -> Tensor:
    """Draw random patches of the vessel mask, turned by multiples of 90 degrees and mirrored.

    The upper half of the retina is for training, the lower for testing: each holds one of the
    two large arcades, and no pixel of the photograph serves both: rows between them stay unused.

    Parameters
    ----------
    size : int
        Side of a patch in pixels.
    n : int
        How many. Few positions are independent, see the module's docstring.
    part : {"train", "test"}
    seed : int
        Same seed, same patches.
    scale : int
        Pixels of :func:`retina_vessels` along the side of one patch pixel. Vessels are 6 pixels
        wide in the mask (median), so they are 2 wide in the patch at the default.
    least : float
        Smallest share of vessel pixels in a patch; the whole retina has 0.17.

    Returns
    -------
    Tensor of float32, (n, 1, size, size)
        1 on vessels, 0 elsewhere. Every patch lies inside the field of view.

    Raises
    ------
    UnknownName
        No such part.
    EccvkitError
        No such patch fits, or a bad scale or seed.
    """
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    if scale < 1:
        raise EccvkitError(f"scale is {scale}: a patch pixel covers at least one pixel of the mask")
    mask, field = _half(part, scale)
    return mask_patches([mask], size, n, seed=seed, least=least, fields=[field])


@lru_cache(maxsize=1)
def _segmentation() -> tuple[np.ndarray, np.ndarray]:
    from skimage.filters import apply_hysteresis_threshold, sato
    from skimage.morphology import disk, remove_small_objects
    from skimage.transform import downscale_local_mean

    image = photo("retina")[:1410, :1410]
    red, green, _ = np.moveaxis(downscale_local_mean(image, (2, 2, 1)), -1, 0)
    lit, trusted = _field_of_view(red)
    # Normalised convolution: the black surroundings do not darken the background at the rim.
    weight = ndimage.gaussian_filter(lit.astype(np.float32), BACKGROUND)
    light = ndimage.gaussian_filter(green * lit, BACKGROUND)
    background = light / np.maximum(weight, 1e-6)
    calm = ndimage.gaussian_filter(np.where(lit, green, background), NOISE)
    hat = ndimage.black_tophat(calm, footprint=disk(TOP_HAT)) / np.maximum(background, 0.05)
    ridges = sato(hat, sigmas=RIDGES, black_ridges=False) * trusted
    mask = apply_hysteresis_threshold(ridges, FOLLOW, START)
    return remove_small_objects(mask, max_size=SPECK, connectivity=2), trusted


def _field_of_view(red: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the photograph shows the retina, and where the segmentation can be trusted.

    Erosion and dilation with large discs are thresholds of distance transforms.
    """
    lit = np.pad(red > LIT, 1)
    core = ndimage.distance_transform_edt(lit) > NOTCH
    beyond = ndimage.distance_transform_edt(~core)[1:-1, 1:-1]
    return beyond <= NOTCH - RIM, beyond <= NOTCH - TRUSTED


@lru_cache(maxsize=8)
def _half(part: str, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Mask and field of view of one part, in patch pixels."""
    from skimage.morphology import remove_small_holes
    from skimage.transform import downscale_local_mean

    mask, field = _segmentation()
    # A pixel beyond the last whole block would be padded with background: leave it out.
    side = len(mask) // scale * scale
    coverage, seen = (
        downscale_local_mean(a[:side, :side].astype(np.float64), (scale, scale))
        for a in (mask, field)
    )
    half = (len(coverage) - GUARD) // 2
    rows = slice(0, half) if PARTS[part] else slice(len(coverage) - half, None)
    # Split first: filling must not look across. The small amount is for 3 of 9, a rounded mean.
    mask = remove_small_holes(coverage[rows] >= COVERED - 1e-9, max_size=PINHOLE, connectivity=1)
    return mask, seen[rows] == 1
