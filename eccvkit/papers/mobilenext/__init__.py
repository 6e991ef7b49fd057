"""Paper 40: Rethinking Bottleneck Structure for Efficient Mobile Network Design (MobileNeXt).

Daquan Zhou, Qibin Hou, Yunpeng Chen, Jiashi Feng, Shuicheng Yan; ECCV 2020, LNCS 12348,
pp. 680-697.

The idea in three sentences. MobileNetV2 keeps identities between thin tensors and filters space in
the wide middle of a block. The sandglass block turns this round: identities and depthwise
convolutions sit at the wide ends, and two pointwise convolutions squeeze and expand between them.
More information passes along the identities and space is filtered twice where there are many
channels, for the same number of parameters and multiply-adds.

The text and the released code describe different networks; we build both, see
:func:`~eccvkit.papers.mobilenext.networks.sandglass_specs`. Where the paper is silent, we chose:

* Fig. 3a and Table 5 have ReLU6 after every convolution but the last; the stride is the first
  depthwise convolution's.
* "Shortcuts between bottlenecks" (Sect. 4.4) keeps all layers in their order and moves only the
  places where the identity starts and ends, by half a block.
* Quantisation (Table 4) is the plain linear one, with the ranges of 256 training images, and we
  also use fewer than 8 bits: small networks hardly notice 8.
* Our classes are pairs of an outline and a texture. The small networks score a pair by the sum of
  two scores (:class:`~eccvkit.papers.mobilenext.networks.PairClassifier`), so that both factors are
  learned from the start.
* The small networks have the blocks of the text. The free channels of MobileNetV2 and of Fig. 3a
  are solved for the same number of parameters as MobileNeXt has; MobileNetV2 with a second
  depthwise convolution costs more than MobileNeXt, as in Table 5.
* "Decay of 0.9" of the training section is left out: no schedule or weight has it.

Modules, in reading order: :mod:`~eccvkit.papers.mobilenext.blocks` (the contribution),
:mod:`~eccvkit.papers.mobilenext.networks` (full size), :mod:`~eccvkit.papers.mobilenext.micro`
(the arms, at matched cost), :mod:`~eccvkit.papers.mobilenext.quantize`,
:mod:`~eccvkit.papers.mobilenext.config`, :mod:`~eccvkit.papers.mobilenext.tasks`,
:mod:`~eccvkit.papers.mobilenext.experiment`, :mod:`~eccvkit.papers.mobilenext.measures`,
:mod:`~eccvkit.papers.mobilenext.claims`, :mod:`~eccvkit.papers.mobilenext.pictures`.
"""

from eccvkit.papers.mobilenext.blocks import (
    InvertedResidual,
    SandglassBlock,
    ThinShortcuts,
    add_identity,
)
from eccvkit.papers.mobilenext.claims import CLAIMS, PAPER_TABLE3, PAPER_TOP1
from eccvkit.papers.mobilenext.config import PRESETS, Config, configure
from eccvkit.papers.mobilenext.experiment import (
    ABLATIONS,
    BITS,
    CORE,
    QUANTIZED,
    VARIANTS,
    WIDTHS,
    evaluate,
    predict,
    quantized_accuracy,
    run,
    train,
)
from eccvkit.papers.mobilenext.measures import (
    block_costs,
    block_outputs,
    effective_rank,
    gradient_cosines,
)
from eccvkit.papers.mobilenext.micro import ARMS, build, match_parameters
from eccvkit.papers.mobilenext.networks import (
    MOBILENEXT_ROWS,
    MobileNet,
    PairClassifier,
    inverted_specs,
    mobilenet_v2,
    mobilenext,
    sandglass_specs,
)
from eccvkit.papers.mobilenext.quantize import (
    calibrate,
    fold_batchnorm,
    quantize,
    round_activation,
    round_weight,
)
from eccvkit.papers.mobilenext.tasks import Task, load

__all__ = [
    "ABLATIONS",
    "ARMS",
    "BITS",
    "CLAIMS",
    "CORE",
    "MOBILENEXT_ROWS",
    "PAPER_TABLE3",
    "PAPER_TOP1",
    "PRESETS",
    "QUANTIZED",
    "VARIANTS",
    "WIDTHS",
    "Config",
    "InvertedResidual",
    "MobileNet",
    "PairClassifier",
    "SandglassBlock",
    "Task",
    "ThinShortcuts",
    "add_identity",
    "block_costs",
    "block_outputs",
    "build",
    "calibrate",
    "configure",
    "effective_rank",
    "evaluate",
    "fold_batchnorm",
    "gradient_cosines",
    "inverted_specs",
    "load",
    "match_parameters",
    "mobilenet_v2",
    "mobilenext",
    "predict",
    "quantize",
    "quantized_accuracy",
    "round_activation",
    "round_weight",
    "run",
    "sandglass_specs",
    "train",
]
