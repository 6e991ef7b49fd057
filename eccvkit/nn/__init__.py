"""Network blocks used by two or more papers.

======================  ==========================================================================
``count_parameters``    how many numbers a module learns
``mlp``                 fully connected layers from a list of widths
``conv_block``          convolution, normalisation, activation, pooling
``ConvNet``             three small conv blocks, for grey images of 16 to 32 pixels
``NealEncoder``         ten-layer encoder of the open-set literature (OSRCI), 512-d at 32x32
``WideResNet``          WRN-depth-width, pre-activation basic blocks
``PointNetEncoder``     order-free features of point clouds, with ``SpatialTransform``
``DCGANGenerator``      noise to images by transposed convolutions; ``DCGANCritic`` mirrors it
``ConvBN``              and other pieces of mobile networks, width rules: ``nn.separable``
``count_macs``          multiply-adds of any network, by layer: ``nn.macs``
``FCOSLite``            small anchor-free detector; boxes, NMS and RoIAlign are in ``nn.boxes``
``attention_read``      attention as a read from a memory: ``nn.attention``
``TripleConv``          convolution over padded batches of graphs: ``nn.graphs``
``HeatmapHead``         heatmaps of joints, their targets, reading joints off: ``nn.heatmaps``
``gradient_penalty``    and Wasserstein and hinge losses, spectral norm, moving average: ``nn.gan``
======================  ==========================================================================

Encoders share one shape: ``forward`` maps images (B, C, H, W), or clouds (B, n, c), to features
(B, out_features), and the head is added by whoever knows the task. ``WideResNet`` can also carry
its linear classifier.
"""

from eccvkit.nn.count import count_parameters
from eccvkit.nn.dcgan import DCGANCritic, DCGANGenerator
from eccvkit.nn.fcos import FCOSLite
from eccvkit.nn.gan import (
    ema,
    gradient_penalty,
    hinge_critic_loss,
    hinge_generator_loss,
    wgan_critic_loss,
    wgan_generator_loss,
    with_spectral_norm,
)
from eccvkit.nn.macs import count_macs, layer_costs
from eccvkit.nn.neal import NealEncoder
from eccvkit.nn.pointnet import PointNetEncoder, SharedMLP, SpatialTransform
from eccvkit.nn.separable import ConvBN
from eccvkit.nn.small import ConvNet, conv_block, mlp
from eccvkit.nn.wide_resnet import WideResNet

__all__ = [
    "ConvBN",
    "ConvNet",
    "DCGANCritic",
    "DCGANGenerator",
    "FCOSLite",
    "NealEncoder",
    "PointNetEncoder",
    "SharedMLP",
    "SpatialTransform",
    "WideResNet",
    "conv_block",
    "count_macs",
    "count_parameters",
    "ema",
    "gradient_penalty",
    "hinge_critic_loss",
    "hinge_generator_loss",
    "layer_costs",
    "mlp",
    "wgan_critic_loss",
    "wgan_generator_loss",
    "with_spectral_norm",
]
