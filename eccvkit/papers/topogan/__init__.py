"""Paper 08: TopoGAN: A Topology-Aware Generative Adversarial Network.

Fan Wang, Huidong Liu, Dimitris Samaras, Chao Chen; ECCV 2020, LNCS 12348, pp. 118-136.

The idea in three sentences. The critic of a GAN tolerates broken membranes and vessels, so the
generator of masks gets a second loss that looks at persistence diagrams: every mask goes through a
distance transform and one-dimensional persistent homology, in which a gap in a loop is a point with
birth above 0. Optimal transport matches the set of synthetic diagrams with a set of real ones, and
each point is to move to the birth of its partner, which in pixels means to grow the mask at the
gap. Since sets are matched, loops are closed only as often as real masks have them closed.

Where the paper is ambiguous or silent (its supplement is not available to us), we chose:

* Diagrams with different numbers of points (Eq. 3): "uniform" spreads a mass of one over the births
  of each diagram, as the published code does; "slice" adds the diagonal, as the text says. The loss
  uses the first: with the second an almost-hole may be matched with its own middle on the diagonal,
  and its gap would be opened. The MMD uses the second, which sees the number of holes.
* Gradient (Sect. 3.3): "pixel" changes the few pixels at the boundary point nearest to the saddle,
  as the text says; "segment" draws the missing piece of wall from both sides, as the published code
  does, but only so far that the birth reaches its target. Training uses "segment", the picture of
  the descent "pixel".
* Points that live shorter than one pixel are dropped, in the loss and in the scores.
* The Betti score is the sum of (a - b)^2 / (a + b) without a factor: the paper prints 1.775;
  the squared bandwidth of the MMD is the median distance of real pairs.

Where we deviate: small DCGANs on 32 x 32 masks, procedural or from one real retina, instead of the
five data sets; evaluated is a running mean of the generator's weights, in all arms alike; the
Frechet distance uses features of a small judge that counts cells, not Inception; lambda is our
own, chosen on pilot seeds such that the topological gradient at the output has 10 to 30 percent of
the norm of the adversarial one. WGAN-SN uses the hinge loss.

Modules, in reading order: :mod:`~eccvkit.papers.topogan.persistence` (Sect. 3.1),
:mod:`~eccvkit.papers.topogan.matching` (3.2), :mod:`~eccvkit.papers.topogan.gradient` (3.3),
:mod:`~eccvkit.papers.topogan.scores` (3.4), :mod:`~eccvkit.papers.topogan.descent` (Fig. 4),
:mod:`~eccvkit.papers.topogan.sets`, :mod:`~eccvkit.papers.topogan.config`,
:mod:`~eccvkit.papers.topogan.tasks` (data), :mod:`~eccvkit.papers.topogan.gan` (training),
:mod:`~eccvkit.papers.topogan.experiment`, :mod:`~eccvkit.papers.topogan.claims`.
"""

from eccvkit.papers.topogan.claims import (
    CLAIMS,
    DESCENT_CLAIMS,
    LEAST_EXCESS,
    PAPER_TABLE1,
    REPAIR_CLAIMS,
    RETINA_CLAIMS,
)
from eccvkit.papers.topogan.config import PAPER, PRESETS, RETINA_PRESETS, Config, configure
from eccvkit.papers.topogan.descent import closed_partner, descend, descent_study
from eccvkit.papers.topogan.experiment import ARMS, RETINA_ARMS, VARIANTS, evaluate, run
from eccvkit.papers.topogan.gan import GAN, build, fork, pretrained, to_masks, train
from eccvkit.papers.topogan.gradient import (
    TopologicalLoss,
    boundary_point,
    opposite_point,
    pixel_change,
    segment_change,
    topological_loss,
    wanted_change,
)
from eccvkit.papers.topogan.matching import (
    birth_targets,
    birth_w1,
    common_quantiles,
    match_sets,
    optimal_plan,
    pairwise_w1,
)
from eccvkit.papers.topogan.persistence import (
    Diagram,
    almost_hole_rate,
    almost_holes,
    binarise,
    diagrams,
    distance_transform,
    framed,
    persistence_diagram,
)
from eccvkit.papers.topogan.scores import (
    betti_numbers,
    betti_score,
    diagram_mmd,
    median_distance,
)
from eccvkit.papers.topogan.sets import repair, repair_study
from eccvkit.papers.topogan.tasks import judge, judge_features, load

__all__ = [
    "ARMS",
    "CLAIMS",
    "DESCENT_CLAIMS",
    "GAN",
    "LEAST_EXCESS",
    "PAPER",
    "PAPER_TABLE1",
    "PRESETS",
    "REPAIR_CLAIMS",
    "RETINA_ARMS",
    "RETINA_CLAIMS",
    "RETINA_PRESETS",
    "VARIANTS",
    "Config",
    "Diagram",
    "TopologicalLoss",
    "almost_hole_rate",
    "almost_holes",
    "betti_numbers",
    "betti_score",
    "binarise",
    "birth_targets",
    "birth_w1",
    "boundary_point",
    "build",
    "closed_partner",
    "common_quantiles",
    "configure",
    "descend",
    "descent_study",
    "diagram_mmd",
    "diagrams",
    "distance_transform",
    "evaluate",
    "fork",
    "framed",
    "judge",
    "judge_features",
    "load",
    "match_sets",
    "median_distance",
    "opposite_point",
    "optimal_plan",
    "pairwise_w1",
    "persistence_diagram",
    "pixel_change",
    "pretrained",
    "repair",
    "repair_study",
    "run",
    "segment_change",
    "to_masks",
    "topological_loss",
    "train",
    "wanted_change",
]
