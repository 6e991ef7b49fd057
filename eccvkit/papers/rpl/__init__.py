"""Paper 30: Learning Open Set Network with Discriminative Reciprocal Points (RPL).

Guangyao Chen, Limeng Qiao, Yemin Shi, Peixi Peng, Jia Li, Tiejun Huang, Shiliang Pu,
Yonghong Tian; ECCV 2020, LNCS 12348, pp. 507-522.

The idea in three sentences. For each known class k learn *reciprocal points*: representatives of
everything that is not k, so that a sample belongs to the class whose points are **farthest** away.
A second term ties the distance of class-k samples to a learnable margin, which bounds the
space that the known classes push each other out into. Unknown samples excite no class's features,
stay near the middle of that space, and are rejected by their small distance.

Where we deviate from the paper: Adam with rate 1e-3 instead of "SGD", and a rate of their own
(2e-2) for the margins instead of Algorithm 1's common one, because with 1e-3 the margins are far
from the distances they should follow when training ends. ``normalise=True`` (off) divides the
distances of Eq. 4 by the feature dimension.

Where the paper is silent (its supplement is not available to us), we chose:

* gamma = 1, points drawn from N(0, 0.1^2), margins start at 0.
* RPL++ adds the prototype loss of GCPL with the weight that GCPL uses; it classifies and rejects by
  the reciprocal points alone. That weight is the best of 0.03 to 10 for GCPL on pilot partitions.
* The softmax and GCPL arms reject by their largest class probability, RPL by Eq. 11; every score is
  reported for every arm.

No weight decay anywhere: it would hide that features grow without limit when lambda is 0.

Modules, in reading order: :mod:`~eccvkit.papers.rpl.method` (the equations),
:mod:`~eccvkit.papers.rpl.config`, :mod:`~eccvkit.papers.rpl.arms` (networks),
:mod:`~eccvkit.papers.rpl.tasks` (data), :mod:`~eccvkit.papers.rpl.experiment` (training,
evaluation, variants), :mod:`~eccvkit.papers.rpl.claims`.
"""

from eccvkit.papers.rpl.arms import (
    OpenSetNet,
    PrototypeHead,
    ReciprocalHead,
    SoftmaxHead,
    build,
    prototype_loss,
)
from eccvkit.papers.rpl.claims import (
    AIRCRAFT_CLAIMS,
    CLAIMS,
    CLASSES_AXIS,
    LAMBDA_AXIS,
    PAPER_TABLE1,
    PAPER_TABLE2,
    POINTS_AXIS,
    TAIL_CLAIMS,
)
from eccvkit.papers.rpl.config import (
    AIRCRAFT_PRESETS,
    PAPER,
    PRESETS,
    TAIL_PRESETS,
    Config,
    configure,
)
from eccvkit.papers.rpl.experiment import (
    AIRCRAFT_VARIANTS,
    METHODS,
    VARIANTS,
    embed,
    evaluate,
    run,
    train,
)
from eccvkit.papers.rpl.method import (
    class_distances,
    class_log_probabilities,
    known_score,
    open_space_loss,
    point_distances,
    rpl_loss,
)
from eccvkit.papers.rpl.tasks import Task, load

__all__ = [
    "AIRCRAFT_CLAIMS",
    "AIRCRAFT_PRESETS",
    "AIRCRAFT_VARIANTS",
    "CLAIMS",
    "CLASSES_AXIS",
    "LAMBDA_AXIS",
    "METHODS",
    "PAPER",
    "PAPER_TABLE1",
    "PAPER_TABLE2",
    "POINTS_AXIS",
    "PRESETS",
    "TAIL_CLAIMS",
    "TAIL_PRESETS",
    "VARIANTS",
    "Config",
    "OpenSetNet",
    "PrototypeHead",
    "ReciprocalHead",
    "SoftmaxHead",
    "Task",
    "build",
    "class_distances",
    "class_log_probabilities",
    "configure",
    "embed",
    "evaluate",
    "known_score",
    "load",
    "open_space_loss",
    "point_distances",
    "prototype_loss",
    "rpl_loss",
    "run",
    "train",
]
