"""Paper 33: TIDE, a general toolbox for identifying object detection errors.

Daniel Bolya, Sean Foley, James Hays, Judy Hoffman; ECCV 2020, LNCS 12348, pp. 558-573.

The idea in three sentences. mAP says how good a detector is, not what it does wrong, so every false
positive and every object that was not found is put into one of six bins. An oracle repairs the
errors of one bin in the *unmodified* detections, and the mAP that this wins back is the weight of
the bin. Older tools repair one bin after the other; what they repair late looks important, whatever
it is.

Where we deviate from the paper: Sect. 2.1 gives an object to the detection with the highest
overlap. The published code, COCO and the definition of duplicates ("another higher-scoring
detection already matched") visit detections by falling score instead; so do we.

Where the paper is silent we follow the published code, checked from outside on random data:

* of several bins that fit, Loc comes first, then Cls, Dupe, Bkg, and Both takes the rest; the ends
  of every interval belong to it;
* Cls and Loc errors about the same object compete: the most confident one is repaired;
* a category without detections and without objects has no average precision; one with detections
  only has 0.

Where we differ from the published code, and why:

* Detections of equal score keep one order, before and after a repair. The code reorders them under
  an oracle, so that an oracle that repairs nothing can have a weight.
* The FP oracle suppresses the detections of a category without objects too, so that FP and FN
  together reach 100, as the paper says. The code leaves such a category at 0.
* If an oracle leaves nothing at all, mAP is 100 (Eq. 3). The code divides by zero.
* Negative weights are reported, not clipped.
* Detections inside ignore regions are not counted as errors; their weight is 0 in both.
* An unknown image or category in the results is an error, not a silent omission.

Modules, in reading order: :mod:`~eccvkit.papers.tide.bins` (six bins),
:mod:`~eccvkit.papers.tide.oracles`, :mod:`~eccvkit.papers.tide.analysis`,
:mod:`~eccvkit.papers.tide.weights` (Eqs. 2 and 4, attributes, sweeps),
:mod:`~eccvkit.papers.tide.report`, :mod:`~eccvkit.papers.tide.simulator`. Tables, files and average
precision stand on lower floors: :mod:`eccvkit.data.detections`, :mod:`eccvkit.data.coco`,
:mod:`eccvkit.metrics.detection`. None of these imports torch.

The experiment does, and is imported by name: :mod:`~eccvkit.papers.tide.config`,
:mod:`~eccvkit.papers.tide.detector` (a small detector with masks and a head that predicts their
IoU), :mod:`~eccvkit.papers.tide.experiment` (training and variants),
:mod:`~eccvkit.papers.tide.claims`.
"""

from eccvkit.data.coco import load_coco
from eccvkit.data.detections import Dataset, Detections, GroundTruth
from eccvkit.papers.tide.analysis import Analysis, analyse
from eccvkit.papers.tide.bins import MEANING, TYPES, Errors, find_errors
from eccvkit.papers.tide.oracles import ORACLES, SPECIAL, Outcome, Selection, repair
from eccvkit.papers.tide.report import clipped, describe, draw, page, table
from eccvkit.papers.tide.simulator import Rates, Simulated, simulate_detector
from eccvkit.papers.tide.weights import (
    SIZES,
    by_position,
    isolated,
    per_class,
    progressive,
    restricted,
    size_groups,
    special,
    sweep,
)

__all__ = [
    "MEANING",
    "ORACLES",
    "SIZES",
    "SPECIAL",
    "TYPES",
    "Analysis",
    "Dataset",
    "Detections",
    "Errors",
    "GroundTruth",
    "Outcome",
    "Rates",
    "Selection",
    "Simulated",
    "analyse",
    "by_position",
    "clipped",
    "describe",
    "draw",
    "find_errors",
    "isolated",
    "load_coco",
    "page",
    "per_class",
    "progressive",
    "repair",
    "restricted",
    "simulate_detector",
    "size_groups",
    "special",
    "sweep",
    "table",
]
