"""Paper 26: Unified Multisensory Perception: Weakly-Supervised Audio-Visual Video Parsing.

Yapeng Tian, Dingzeyu Li, Chenliang Xu; ECCV 2020, LNCS 12348, pp. 436-454.

The idea in three sentences. Every second of sound and every second of picture is an instance of a
bag, the video, and only the bag has labels. A hybrid attention network (HAN) lets each snippet read
the others of its own and of the other modality; an attentive pooling over time and modality turns
instance probabilities into one of the video. Since one modality can explain the bag alone, a
guided loss asks each of them for all classes, and label smoothing softens what it gets wrong.

Where we deviate from the paper:

* The weakly-supervised loss is the full binary cross-entropy; the paper prints its positive half,
  which a constant 1 minimises.
* Losses are means over classes, not sums.
* Averaging eight frames per second before the linear input layer, not after it, is the same.
* Scenes of ours instead of LLP, with few classes that are seen but never heard, as in LLP; half of
  the classes in both modalities have the same times in both. Audio features are less noisy than
  visual ones. Networks without context are compared on clear scenes, those with context on scenes
  with twice the noise.
* Adam for 25 epochs of batches of 64, without decay: the networks are small. For each network and
  each pooling the rate is the best of 3e-4, 1e-3 and 3e-3 on pilot seeds.

Where the paper is silent, we chose as the released code does: one layer, one head, the same weights
for both modalities, dropout 0.1, K = 2, smoothing of 0 for audio and 0.1 for vision, events
reported from probability 0.5 if their class is in the video with probability 0.5. And by ourselves:

* The Transformer is HAN without cross-attention, the GRU is bidirectional; both are shared, too.
* Bootstrap is the hard one of the paper's reference 42, with its beta of 0.8.
* Trained with the guided loss alone, the audio-visual attention gets no gradient, so the video's
  probability means nothing; there the larger one of both modalities decides whether a class is in
  the video. Scores with other masks are recorded too.

Modules, in reading order: :mod:`~eccvkit.papers.avvp.temporal` (Eqs. 1-4),
:mod:`~eccvkit.papers.avvp.pooling` (Eqs. 7-9), :mod:`~eccvkit.papers.avvp.losses` (Eq. 10),
:mod:`~eccvkit.papers.avvp.config`, :mod:`~eccvkit.papers.avvp.network` (Eqs. 5-6),
:mod:`~eccvkit.papers.avvp.tasks` (data), :mod:`~eccvkit.papers.avvp.experiment` (training, parsing,
evaluation, arms), :mod:`~eccvkit.papers.avvp.claims`.
"""

from eccvkit.papers.avvp.claims import CLAIMS, HAN_CLAIMS, PAPER_EVENTS, PAPER_HAN, PAPER_PLAIN
from eccvkit.papers.avvp.config import NOISY_PRESETS, PAPER, PRESETS, Config, configure
from eccvkit.papers.avvp.experiment import (
    CLEAR_STUDY,
    HAN_ARMS,
    LABEL_ARMS,
    NOISY_STUDY,
    PLAIN,
    PLAIN_LABEL_ARMS,
    TEMPORAL_ARMS,
    VARIANTS,
    evaluate,
    instances_of,
    parse,
    run,
    train,
    training_loss,
    video_probability,
    yardsticks,
)
from eccvkit.papers.avvp.losses import (
    bag_loss,
    bootstrap_labels,
    guided_loss,
    share_above_one,
    smooth_labels,
)
from eccvkit.papers.avvp.network import AVVPNet, Instances, Projection
from eccvkit.papers.avvp.pooling import (
    AUDIO,
    POOLINGS,
    VISUAL,
    Pooled,
    attention_tensors,
    attentive_pooling,
    max_pooling,
    mean_pooling,
)
from eccvkit.papers.avvp.tasks import Task, load, scenes
from eccvkit.papers.avvp.temporal import (
    TEMPORAL,
    BiGRU,
    HANLayer,
    Hybrid,
    TemporalNet,
    hybrid_attention,
)

__all__ = [
    "AUDIO",
    "CLAIMS",
    "CLEAR_STUDY",
    "HAN_ARMS",
    "HAN_CLAIMS",
    "LABEL_ARMS",
    "NOISY_PRESETS",
    "NOISY_STUDY",
    "PAPER",
    "PAPER_EVENTS",
    "PAPER_HAN",
    "PAPER_PLAIN",
    "PLAIN",
    "PLAIN_LABEL_ARMS",
    "POOLINGS",
    "PRESETS",
    "TEMPORAL",
    "TEMPORAL_ARMS",
    "VARIANTS",
    "VISUAL",
    "AVVPNet",
    "BiGRU",
    "Config",
    "HANLayer",
    "Hybrid",
    "Instances",
    "Pooled",
    "Projection",
    "Task",
    "TemporalNet",
    "attention_tensors",
    "attentive_pooling",
    "bag_loss",
    "bootstrap_labels",
    "configure",
    "evaluate",
    "guided_loss",
    "hybrid_attention",
    "instances_of",
    "load",
    "max_pooling",
    "mean_pooling",
    "parse",
    "run",
    "scenes",
    "share_above_one",
    "smooth_labels",
    "train",
    "training_loss",
    "video_probability",
    "yardsticks",
]
