"""``eccvkit tide``: the error analysis of two COCO files on the command line.

The command line itself imports no paper; its command imports this module when it runs. Nothing here
needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eccvkit.data.coco import load_coco
from eccvkit.errors import EccvkitError
from eccvkit.papers.tide.analysis import Analysis, analyse
from eccvkit.papers.tide.report import facts, page, table
from eccvkit.papers.tide.weights import per_class, sweep

if TYPE_CHECKING:
    from rich.console import Console

#: Seconds of work before a progress bar appears.
_PATIENCE = 1.0


def tide(
    annotations: Path,
    results: Path,
    console: Console,
    *,
    mask: bool = False,
    html: bool = False,
    t_f: float = 0.5,
    t_b: float = 0.1,
    max_dets: int = 100,
) -> Analysis:
    """Analyse and print.

    Parameters
    ----------
    annotations, results : Path
        COCO annotation file and results file.
    console : rich.console.Console
    mask : bool
        Compare masks, not boxes.
    html : bool
        Write a page into the current folder, named after the results: ``NAME.tide.html``.
    t_f, t_b : float
        Foreground and background threshold.
    max_dets : int
        Detections per image that are judged.

    Raises
    ------
    DataError
        A file is missing or wrong.
    EccvkitError
        The page cannot be written, or a threshold is wrong.
    """
    with console.status("reading"):
        dataset = load_coco(annotations, results, masks=mask)
    mode = "mask" if mask else "box"
    bar = partial(_bar, desc="overlap of masks" if mask else "overlap of boxes")
    analysis = analyse(dataset, mode=mode, t_f=t_f, t_b=t_b, max_dets=max_dets, progress=bar)
    with console.status("repairing errors"):
        thresholds = sweep(analysis)
        summary = _summary(analysis)
    for line in (facts(analysis), *_surprises(analysis)):
        console.print(line)
    console.print(
        f"mAP {analysis.ap():.2f} at IoU {t_f:g}; {thresholds['mAP'].mean():.2f} over 0.50 to 0.95"
    )
    console.print(summary)
    if html:
        title = f"Errors of {results.name} on {annotations.name}"
        path = Path(f"{results.stem}.tide.html")
        try:
            path.write_text(page(analysis, title, thresholds, per_class(analysis)), "utf-8")
        except OSError as error:
            problem = f"cannot write {path} here ({error.strerror})"
            raise EccvkitError(f"{problem}: run the command in another folder") from error
        console.print(f"page: {path}", soft_wrap=True)
    return analysis


def _surprises(analysis: Analysis) -> list[str]:
    """Detections beyond the limit, and images without objects.

    Such images are legitimate, and whatever is detected there is a background error; but they are
    also what a wrong annotation file looks like, so they are not passed over in silence.
    """
    gt, det, rows = analysis.dataset.gt, analysis.dataset.det, analysis.pairs.rows
    lines = []
    if beyond := len(det) - len(rows):
        lines.append(
            f"detections not judged, because their image has more confident ones: {beyond}"
        )
    image = det.image[rows]
    bare = image[~np.isin(image, gt.image)]
    if len(bare):
        lines.append(
            f"images with detections but without annotations: {len(np.unique(bare))}; "
            f"their detections all count as background errors: {len(bare)}"
        )
    return lines


def _summary(analysis: Analysis):
    """The table of errors, for the terminal."""
    from rich.table import Table

    shown = Table("Error", "Meaning", "Weight", "Count", box=None, pad_edge=False)
    for column in shown.columns[2:]:
        column.justify = "right"
    for row in table(analysis).itertuples():
        shown.add_row(row.Index, row.meaning, f"{row.weight:.2f}", f"{row.count}")
    return shown


def _bar(packages: Iterable, desc: str) -> Iterable:
    from tqdm import tqdm

    # disable=None: silent where standard error is no terminal.
    return tqdm(packages, desc=desc, delay=_PATIENCE, leave=False, disable=None)
