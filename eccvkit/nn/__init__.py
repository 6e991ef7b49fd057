"""Network blocks used by two or more papers.

====================  ============================================================================
``count_parameters``  how many numbers a module learns
``mlp``               fully connected layers from a list of widths
``conv_block``        convolution, normalisation, activation, pooling
``ConvNet``           three small conv blocks, for grey images of 16 to 32 pixels
``NealEncoder``       ten-layer encoder of the open-set literature (OSRCI), 512-d at 32x32
``WideResNet``        WRN-depth-width, pre-activation basic blocks
====================  ============================================================================

Encoders share one shape: ``forward`` maps images (B, C, H, W) to features (B, out_features), and
the head is added by whoever knows the task. ``WideResNet`` can also carry its linear classifier.
"""

from eccvkit.nn.count import count_parameters
from eccvkit.nn.neal import NealEncoder
from eccvkit.nn.small import ConvNet, conv_block, mlp
from eccvkit.nn.wide_resnet import WideResNet

__all__ = ["ConvNet", "NealEncoder", "WideResNet", "conv_block", "count_parameters", "mlp"]
