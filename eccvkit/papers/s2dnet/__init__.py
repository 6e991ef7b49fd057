"""Paper 37: S2DNet: Learning Image Features for Accurate Sparse-to-Dense Matching.

Hugo Germain, Guillaume Bourmaud, Vincent Lepetit; ECCV 2020, LNCS 12348, pp. 626-643.

The idea in three sentences. Keypoints are detected in image A only, and each is searched over
**every pixel** of image B, so nothing needs to be detected twice. Matching one keypoint is then a
classification over the pixels of B, trained by plain cross-entropy: a miss by two pixels costs as
much as one by two hundred, which makes the map peaked. The map is the sum of dot-product maps at
three levels of a VGG network: the coarse ones say which part of the image, the full-resolution one
says which pixel, and the softmax of the sum is a confidence.

Where we deviate from the paper: the networks are smaller, trained from scratch (the paper starts
from ImageNet weights) on homographies of few photographs and of textures instead of MegaDepth; the
last batch normalisation starts with the weight (M d)^(-1/4) instead of 1, so that the sum of M
products of d channels starts with variance 1, which helps the classification only; the learning
rate is higher and falls less, and continuously; SuperPoint, whose weights we do not have, is
replaced by the corners of scikit-image. Keypoints that the second image does not show never count
as matches, neither right nor wrong; on HPatches they count as errors if no filter drops them.

Where the paper is silent we chose:

* adaptation layers with kernels 1x1 and 5x5, as in the authors' released model (the paper leaves
  them to its supplement);
* raw dot products without temperature;
* descriptors of A sampled bilinearly; softmax per keypoint over all pixels of one image; losses
  averaged over the keypoints of a batch of pairs;
* both images of a pair in one batch of the network, so that batch normalisation treats day and
  night alike; running statistics in the test;
* the cyclic check demands the very same pixel, unless ``tolerance`` relaxes it; a pair without
  any match counts as accuracy 0.

The metric-learning baseline has the same network, a triplet loss on hypercolumns of length 1, and
the hardest of **all** pixels as negative in both directions. The search for it needs no gradient,
so that a step costs hardly more than one of the cross-entropy. The arm "one level, S2S" has one
level and matches detections; it stands for the systems of the paper's Fig. 3 and is none of them.

Modules, in reading order: :mod:`~eccvkit.papers.s2dnet.matching` (the equations),
:mod:`~eccvkit.papers.s2dnet.network`, :mod:`~eccvkit.papers.s2dnet.metric_learning` (the baseline),
:mod:`~eccvkit.papers.s2dnet.config`, :mod:`~eccvkit.papers.s2dnet.tasks` (data),
:mod:`~eccvkit.papers.s2dnet.detectors`, :mod:`~eccvkit.papers.s2dnet.arms` (training),
:mod:`~eccvkit.papers.s2dnet.experiment` (evaluation, variants),
:mod:`~eccvkit.papers.s2dnet.cost` (Table 4), :mod:`~eccvkit.papers.s2dnet.pose` (Fig. 1),
:mod:`~eccvkit.papers.s2dnet.claims`, :mod:`~eccvkit.papers.s2dnet.pictures`.
"""

from eccvkit.papers.s2dnet.arms import RECIPES, Matcher, lr_factor, train
from eccvkit.papers.s2dnet.claims import (
    ALONE_ARM,
    CLAIMS,
    COST_CLAIMS,
    DETECTOR_AXIS,
    LEVEL_ARMS,
    PAPER_TABLE4,
    TAU_ALONE_AXIS,
    TAU_AXIS,
)
from eccvkit.papers.s2dnet.config import PAPER, PRESETS, VGG16, Config, configure
from eccvkit.papers.s2dnet.cost import (
    EARLY,
    LATE,
    MEASURED_KEYPOINTS,
    ORDERS,
    PAPER_KEYPOINTS,
    PAPER_SIZE,
    correlation_macs,
    feature_values,
    run_cost,
    search,
)
from eccvkit.papers.s2dnet.detectors import DETECTORS, detect, detect_all
from eccvkit.papers.s2dnet.experiment import (
    DETECTOR_ARMS,
    FILTERS,
    LEVEL_NAMES,
    LEVELS,
    METHODS,
    TAUS,
    TAUS_ALONE,
    VARIANTS,
    Found,
    evaluate,
    find_matches,
    keep_matches,
    run,
    trained,
)
from eccvkit.papers.s2dnet.matching import (
    Matches,
    best_pixel,
    best_point,
    check_keypoints,
    classification_loss,
    correspondence_map,
    is_confident,
    level_map,
    log_probabilities,
    mutual_neighbours,
    peak_ratio,
    read_scores,
    returns_home,
    sample_descriptors,
    upsample,
    upsample_then_correlate,
    upsampled_hypercolumn,
)
from eccvkit.papers.s2dnet.metric_learning import (
    cosine_map,
    hardest_negative,
    triplet_loss,
    unit_hypercolumn,
)
from eccvkit.papers.s2dnet.network import Hypercolumn, adaptation, vgg_stage
from eccvkit.papers.s2dnet.pose import pose_noise, solve_pose
from eccvkit.papers.s2dnet.tasks import Task, load, sample_correspondences

__all__ = [
    "ALONE_ARM",
    "CLAIMS",
    "COST_CLAIMS",
    "DETECTORS",
    "DETECTOR_ARMS",
    "DETECTOR_AXIS",
    "EARLY",
    "FILTERS",
    "LATE",
    "LEVELS",
    "LEVEL_ARMS",
    "LEVEL_NAMES",
    "MEASURED_KEYPOINTS",
    "METHODS",
    "ORDERS",
    "PAPER",
    "PAPER_KEYPOINTS",
    "PAPER_SIZE",
    "PAPER_TABLE4",
    "PRESETS",
    "RECIPES",
    "TAUS",
    "TAUS_ALONE",
    "TAU_ALONE_AXIS",
    "TAU_AXIS",
    "VARIANTS",
    "VGG16",
    "Config",
    "Found",
    "Hypercolumn",
    "Matcher",
    "Matches",
    "Task",
    "adaptation",
    "best_pixel",
    "best_point",
    "check_keypoints",
    "classification_loss",
    "configure",
    "correlation_macs",
    "correspondence_map",
    "cosine_map",
    "detect",
    "detect_all",
    "evaluate",
    "feature_values",
    "find_matches",
    "hardest_negative",
    "is_confident",
    "keep_matches",
    "level_map",
    "load",
    "log_probabilities",
    "lr_factor",
    "mutual_neighbours",
    "peak_ratio",
    "pose_noise",
    "read_scores",
    "returns_home",
    "run",
    "run_cost",
    "sample_correspondences",
    "sample_descriptors",
    "search",
    "solve_pose",
    "train",
    "trained",
    "triplet_loss",
    "unit_hypercolumn",
    "upsample",
    "upsample_then_correlate",
    "upsampled_hypercolumn",
    "vgg_stage",
]
