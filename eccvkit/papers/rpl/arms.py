"""The arms of the comparison: one encoder, four heads (softmax, GCPL, RPL, RPL++)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eccvkit.errors import unknown
from eccvkit.nn import NealEncoder, WideResNet, conv_block, mlp
from eccvkit.papers.rpl.config import Config
from eccvkit.papers.rpl.method import class_distances, known_score, rpl_loss


def max_log_probability(logits: Tensor) -> Tensor:
    """Largest class log-probability (B,), in float64: float32 ties all confident samples at 0.

    On the CPU, because Apple's GPUs have no float64.
    """
    return F.log_softmax(logits.cpu().double(), dim=-1).amax(dim=-1)


class SoftmaxHead(nn.Module):
    """The baseline: a linear layer, cross-entropy, rejection by the largest probability."""

    def __init__(self, config: Config):
        super().__init__()
        self.linear = nn.Linear(config.dim, config.known)

    def logits(self, features: Tensor) -> Tensor:
        """(B, N) class logits."""
        return self.linear(features)

    def score(self, features: Tensor) -> Tensor:
        """(B,) largest log-probability."""
        return max_log_probability(self.logits(features))

    def loss(self, features: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Cross-entropy."""
        return {"loss": F.cross_entropy(self.logits(features), targets)}


class PrototypeHead(nn.Module):
    """GCPL (reference [25] of the paper): *near* a prototype means *is* the class."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.prototypes = nn.Parameter(0.1 * torch.randn(config.known, 1, config.dim))

    def logits(self, features: Tensor) -> Tensor:
        """(B, N): minus gamma times the distance to the prototype."""
        return -self.config.gamma * class_distances(
            features, self.prototypes, self.config.normalise
        )

    def score(self, features: Tensor) -> Tensor:
        """(B,) largest log-probability."""
        return max_log_probability(self.logits(features))

    def loss(self, features: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Distance-based cross-entropy plus the prototype loss."""
        classification = F.cross_entropy(self.logits(features), targets)
        prototype = prototype_loss(features, self.prototypes, targets, self.config.normalise)
        return {
            "loss": classification + self.config.prototype_weight * prototype,
            "classification": classification,
            "prototype": prototype,
        }


def prototype_loss(
    features: Tensor, prototypes: Tensor, targets: Tensor, normalise: bool = False
) -> Tensor:
    """Mean squared distance of each sample to the prototype of its class, ``(N, 1, d)``."""
    distances = class_distances(features, prototypes, normalise)
    return distances.gather(1, targets.unsqueeze(1)).mean()


class ReciprocalHead(nn.Module):
    """RPL: reciprocal points and margins, both learned (Algorithm 1); optional RPL++ prototypes.

    Parameters
    ----------
    config : Config
    loss : callable
        The loss of Eq. 10. A student's own function can be passed here.
    prototypes : bool
        RPL++: add GCPL's prototype loss.
    """

    def __init__(self, config: Config, loss: Callable = rpl_loss, prototypes: bool = False):
        super().__init__()
        self.config, self.rpl_loss = config, loss
        self.points = nn.Parameter(0.1 * torch.randn(config.known, config.points, config.dim))
        self.margins = nn.Parameter(torch.zeros(config.known))
        self.prototypes = (
            nn.Parameter(0.1 * torch.randn(config.known, 1, config.dim)) if prototypes else None
        )

    def logits(self, features: Tensor) -> Tensor:
        """(B, N): plus gamma times the distance to the reciprocal points."""
        return self.config.gamma * class_distances(features, self.points, self.config.normalise)

    def score(self, features: Tensor) -> Tensor:
        """(B,) Eq. 11."""
        return known_score(features, self.points, self.config.normalise)

    def loss(self, features: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Eq. 10, and for RPL++ the prototype loss on top."""
        c = self.config
        terms = self.rpl_loss(
            features, self.points, self.margins, targets, c.gamma, c.lam, c.normalise
        )
        if self.prototypes is None:
            return terms
        prototype = prototype_loss(features, self.prototypes, targets, c.normalise)
        total = terms["loss"] + c.prototype_weight * prototype
        return {**terms, "loss": total, "prototype": prototype}


class OpenSetNet(nn.Module):
    """An encoder and one of the heads above."""

    def __init__(self, encoder: nn.Module, head: nn.Module):
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, d) of images (B, C, H, W), in float32 whatever the autocast."""
        return self.encoder(images).float()


#: Encoders by name; each maps images to ``config.dim`` features.
ENCODERS: dict[str, Callable[[Config], nn.Module]] = {
    "mlp": lambda c: nn.Sequential(nn.Flatten(), mlp([64, 128, 128, c.dim])),
    "conv": lambda c: nn.Sequential(
        conv_block(c.channels, 16),
        conv_block(16, 32),
        nn.Flatten(),
        mlp([32 * (c.image_size // 4) ** 2, 128, c.dim]),
    ),
    "neal": lambda c: NealEncoder(in_channels=c.channels, dim=c.dim),
    "wrn-16-4": lambda c: nn.Sequential(
        wrn := WideResNet(16, 4, in_channels=c.channels, num_classes=None),
        nn.Linear(wrn.out_features, c.dim),
    ),
    "wrn-40-4": lambda c: WideResNet(40, 4, in_channels=c.channels, num_classes=None),
}


def build(config: Config, arm: str, *, loss: Callable = rpl_loss) -> OpenSetNet:
    """Encoder and head of one arm; the weights come from torch's global seed.

    The encoder is built first, so that arms with the same seed start from the same encoder.

    Parameters
    ----------
    config : Config
    arm : {"softmax", "gcpl", "rpl", "rpl++"}
    loss : callable
        Loss of Eq. 10 for the RPL arms.
    """
    heads = {
        "softmax": lambda: SoftmaxHead(config),
        "gcpl": lambda: PrototypeHead(config),
        "rpl": lambda: ReciprocalHead(config, loss),
        "rpl++": lambda: ReciprocalHead(config, loss, prototypes=True),
    }
    if arm not in heads:
        raise unknown("arm", arm, heads)
    if config.encoder not in ENCODERS:
        raise unknown("encoder", config.encoder, ENCODERS)
    return OpenSetNet(ENCODERS[config.encoder](config), heads[arm]())
