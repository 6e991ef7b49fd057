"""One look for all figures: readable on a projector and for colour-blind readers.

Figures have an opaque light background, so that they stay readable in a dark theme.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image

from eccvkit.errors import EccvkitError

#: Ten hues that remain distinct under the common colour-vision deficiencies (seaborn "colorblind").
PALETTE = tuple(sns.color_palette("colorblind", 10).as_hex())
#: Unknown classes and references are grey, everywhere.
GREY = "#8a8a8a"
#: What arms are drawn in: the palette without its own grey, which looks like that of a reference.
ARM_COLOURS = (*PALETTE[:7], *PALETTE[8:])
#: Pixels per inch of stored figures, and of their display size (twice as sharp as it is large).
DPI, DISPLAY_DPI = 144, 80


def use_style() -> None:
    """Set matplotlib's defaults for a notebook; call it once."""
    sns.set_theme(context="notebook", style="whitegrid", palette=list(PALETTE))
    plt.rcParams.update(
        {
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": "#e6e6e6",
            "legend.frameon": True,
            "legend.framealpha": 0.85,
            "legend.edgecolor": "white",
            "legend.fontsize": "small",
            "lines.linewidth": 2.0,
            "image.cmap": "gray",
            "image.interpolation": "nearest",
        }
    )


def arm_colours(arms: Iterable[str], reference: str | None = None) -> dict[str, str]:
    """Give each arm of a notebook its colour, to be used in every figure of that notebook.

    Parameters
    ----------
    arms : iterable of str
        In a fixed order; at most nine besides the reference.
    reference : str, optional
        The baseline: drawn in grey.

    Raises
    ------
    EccvkitError
        More arms than colours that can be told apart.
    """
    named = [arm for arm in dict.fromkeys(arms) if arm != reference]
    if len(named) > len(ARM_COLOURS):
        raise EccvkitError(
            f"{len(named)} arms but only {len(ARM_COLOURS)} colours that all readers can tell "
            "apart: split the figure"
        )
    colours = dict(zip(named, ARM_COLOURS))
    return colours | ({reference: GREY} if reference is not None else {})


def show(figure: Figure, alt: str, *, thumbnail: bool = False) -> None:
    """Publish a figure as PNG together with its alternative text, and close it.

    The text goes into the output's metadata (the HTML report and the site put it into the page)
    and is the plain-text form of the output.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    alt : str
        What a reader who cannot see the figure should learn from it: a sentence or two.
    thumbnail : bool
        Use this figure in the gallery.

    Raises
    ------
    EccvkitError
        ``alt`` is missing or too short to say anything.
    """
    publish(*to_png(figure), alt, thumbnail=thumbnail)


def publish(
    png: bytes,
    width: int,
    height: int,
    alt: str,
    *,
    thumbnail: bool = False,
    place: str = "",
    again: bool = False,
) -> None:
    """Publish a rendered picture, see :func:`show` and :func:`to_png`.

    Parameters
    ----------
    png, width, height
        From :func:`to_png`.
    alt : str
    thumbnail : bool
        This picture stands for the notebook.
    place : str
        Name of the place where it appears, for a picture that changes.
    again : bool
        Replace what was published under ``place``.

    Raises
    ------
    EccvkitError
        ``alt`` is missing or too short to say anything.
    """
    from IPython.display import display

    if len(alt.split()) < 4:
        raise EccvkitError(f"figure without alternative text (got {alt!r}): describe it in a line")
    alt = " ".join(alt.split())
    meta = {"alt": alt, "width": width, "height": height}
    if thumbnail:
        meta["thumbnail"] = True
    bundle = {"image/png": base64.b64encode(png).decode(), "text/plain": f"Figure: {alt}"}
    to = {"display_id": place, "update": again} if place else {}
    display(bundle, metadata={"image/png": meta}, raw=True, **to)


def to_png(figure: Figure) -> tuple[bytes, int, int]:
    """Render and close a figure: PNG bytes, and width and height for display in CSS pixels.

    The PNG has a palette of 256 colours: plots lose nothing visible and shrink to a third.
    """
    canvas, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(canvas, format="png", dpi=DPI)
    picture = Image.open(canvas).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(buffer, format="png", optimize=True)
    width, height = (round(inches * DISPLAY_DPI) for inches in figure.get_size_inches())
    plt.close(figure)
    return buffer.getvalue(), width, height
