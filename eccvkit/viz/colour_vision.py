"""What colours look like to readers with a colour-vision deficiency, and which ones they mix up.

About one man in twelve cannot tell some of the hues apart that others can. The simulation is by
Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
Deficiency", IEEE TVCG 15(6), 2009, with the matrices that they publish for full severity.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from numpy.typing import ArrayLike

from eccvkit.errors import unknown

#: Matrices on linear RGB: lacking the cones for long, medium and short waves.
MACHADO = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}

#: Two colours closer than this (CIEDE2000) are easily taken for each other in a plot; about 2 is
#: the least that a trained eye sees between two patches side by side.
TOO_CLOSE = 5.0


def simulate(rgb: ArrayLike, deficiency: str) -> np.ndarray:
    """Colours as seen with a deficiency.

    Parameters
    ----------
    rgb : (..., 3) array
        sRGB in [0, 1].
    deficiency : str
        One of :data:`MACHADO`.

    Raises
    ------
    UnknownName
        No such deficiency.

    Examples
    --------
    Red loses most of its light when the cones for long waves are missing:

    >>> simulate([1.0, 0.0, 0.0], "protanopia").round(2).tolist()
    [0.43, 0.37, 0.0]
    """
    if deficiency not in MACHADO:
        raise unknown("deficiency", deficiency, list(MACHADO))
    rgb = np.asarray(rgb, dtype=float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(MACHADO[deficiency]).T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def differences(rgb: ArrayLike) -> np.ndarray:
    """CIEDE2000 differences between all pairs of colours.

    Parameters
    ----------
    rgb : (K, 3) array
        sRGB in [0, 1].

    Returns
    -------
    (K, K) array
        0 for equal colours, 100 between black and white.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    lab = rgb2lab(np.asarray(rgb, dtype=float))
    return deltaE_ciede2000(lab[:, None], lab[None])


def confused(
    colours: Sequence[str | tuple], least: float = TOO_CLOSE
) -> list[tuple[str, str, str]]:
    """Pairs of colours that some readers cannot tell apart.

    Parameters
    ----------
    colours : sequence of matplotlib colours
    least : float
        The smallest difference that counts as one.

    Returns
    -------
    list of (str, str, str)
        Two colours, and the deficiency under which they are too close, or "normal vision".

    Examples
    --------
    >>> confused(["#0173b2", "#de8f05"])
    []
    >>> confused(["#2468f2", "#c524f2"])
    [('#2468f2', '#c524f2', 'protanopia')]
    """
    rgb = np.array([to_rgb(colour) for colour in colours]).reshape(-1, 3)
    seen = {"normal vision": rgb} | {name: simulate(rgb, name) for name in MACHADO}
    apart = {name: differences(values) for name, values in seen.items()}
    return [
        (to_hex(rgb[i]), to_hex(rgb[j]), name)
        for i, j in combinations(range(len(rgb)), 2)
        for name in seen
        if apart[name][i, j] < least
    ]
