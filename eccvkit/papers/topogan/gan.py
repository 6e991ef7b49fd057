"""Training of paper 08: one WGAN-GP, then arms that go on from it with and without topology."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache

import pandas as pd
import torch
from torch import Tensor, nn

from eccvkit.errors import NonFiniteLoss
from eccvkit.nn.dcgan import DCGANCritic, DCGANGenerator
from eccvkit.nn.gan import (
    ema,
    gradient_penalty,
    hinge_critic_loss,
    wgan_critic_loss,
    wgan_generator_loss,
    with_spectral_norm,
)
from eccvkit.papers.topogan.config import Config
from eccvkit.papers.topogan.gradient import TopologicalLoss, topological_loss
from eccvkit.papers.topogan.persistence import Diagram
from eccvkit.papers.topogan.tasks import load
from eccvkit.runtime import progress, seed_everything


def build(config: Config, spectral: bool = False) -> tuple[DCGANGenerator, DCGANCritic]:
    """Generator and critic; ``spectral`` builds the critic of the baseline WGAN-SN.

    The weights come from torch's global seed.
    """
    generator = DCGANGenerator(config.latent, config.width, config.size)
    critic = DCGANCritic(config.width, config.size)
    return generator, with_spectral_norm(critic) if spectral else critic


def to_masks(images: Tensor) -> Tensor:
    """Generator output in [-1, 1] to masks in [0, 1]."""
    return (images + 1) / 2


@dataclass
class GAN:
    """A generator, its critic, their optimisers, and the running mean that is evaluated."""

    generator: nn.Module
    critic: nn.Module
    config: Config
    spectral: bool = False
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        options = {"lr": self.config.lr, "betas": self.config.betas}
        self.generator_step = torch.optim.Adam(self.generator.parameters(), **options)
        self.critic_step = torch.optim.Adam(self.critic.parameters(), **options)
        self.average = ema(self.generator, self.config.average)

    def noise(self, n: int, stream: torch.Generator) -> Tensor:
        """(n, latent) standard normal numbers, drawn on the CPU so that devices agree."""
        z = torch.randn(n, self.config.latent, generator=stream)
        return z.to(next(self.generator.parameters()).device)

    @torch.no_grad()
    def sample(self, n: int, seed: int) -> Tensor:
        """(n, 1, S, S) masks in [0, 1] from the averaged generator; same seed, same noise."""
        z = self.noise(n, torch.Generator().manual_seed(seed))
        return to_masks(torch.cat([self.average(part) for part in z.split(500)])).cpu()

    def frame(self) -> pd.DataFrame:
        """One row per generator step."""
        return pd.DataFrame(self.history)


def train_critic(gan: GAN, real: Tensor, stream: torch.Generator) -> float:
    """``critic_steps`` updates; returns the last estimate of the Wasserstein distance."""
    config = gan.config
    for _ in range(config.critic_steps):
        rows = torch.randint(len(real), (config.batch,), generator=stream).to(real.device)
        batch = real[rows]
        with torch.no_grad():
            fake = gan.generator(gan.noise(config.batch, stream))
        on_real, on_fake = gan.critic(torch.cat([batch, fake])).chunk(2)
        wasserstein = wgan_critic_loss(on_real, on_fake)
        if gan.spectral:
            loss = hinge_critic_loss(on_real, on_fake)
        else:
            loss = wasserstein + config.penalty * gradient_penalty(gan.critic, batch, fake, stream)
        gan.critic_step.zero_grad(set_to_none=True)
        loss.backward()
        gan.critic_step.step()
    return -wasserstein.item()


def train_generator(
    gan: GAN,
    stream: torch.Generator,
    topology: Callable[[Tensor], TopologicalLoss] | None = None,
) -> dict[str, float]:
    """One update of Eq. 2 with the critic's loss and, if given, the topological one.

    Both gradients are taken at the output of the generator, so that their sizes can be compared:
    "ratio" is the norm of the topological over that of the adversarial one.
    """
    images = gan.generator(gan.noise(gan.config.batch, stream))
    (gradient,) = torch.autograd.grad(wgan_generator_loss(gan.critic(images)), images)
    row: dict[str, float] = {}
    if topology is not None:
        masks = images[: gan.config.topo_batch].detach().requires_grad_()
        result = topology(to_masks(masks))
        (extra,) = torch.autograd.grad(gan.config.lam * result.loss, masks)
        row["ratio"] = (extra.norm() / gradient[: len(extra)].norm()).item()
        row["topology"] = result.distance / len(extra)
        gradient[: len(extra)] += extra
    gan.generator_step.zero_grad(set_to_none=True)
    images.backward(gradient)
    gan.generator_step.step()
    gan.average.update_parameters(gan.generator)
    return row


def train(
    gan: GAN,
    real: Tensor,
    steps: int,
    stream: torch.Generator,
    topology: Callable[[Tensor], TopologicalLoss] | None = None,
    label: str = "WGAN-GP",
) -> GAN:
    """Train in place for some generator steps.

    Parameters
    ----------
    real : Tensor
        (n, 1, S, S) masks in [0, 1].
    stream : torch.Generator
        Source of batches and noise; the topological loss does not draw from it, so arms with the
        same stream see the same.
    topology : callable, optional
        Masks (n, 1, S, S) in [0, 1] to a :class:`TopologicalLoss`.

    Raises
    ------
    NonFiniteLoss
        The critic's loss is not a number.
    """
    real = 2 * real.to(next(gan.generator.parameters()).device) - 1
    gan.generator.train()
    for step in progress(range(steps), desc=label):
        wasserstein = train_critic(gan, real, stream)
        if wasserstein != wasserstein:
            raise NonFiniteLoss(
                f"{label}: the critic's loss became NaN at step {step + 1}; lower the learning rate"
            )
        now = topology if step % gan.config.topo_every == 0 else None
        row = {"step": len(gan.history) + 1, "wasserstein": wasserstein}
        gan.history.append(row | train_generator(gan, stream, now))
    return gan


def pretrained(
    config: Config, seed: int, device: torch.device | str = "cpu", spectral: bool = False
) -> GAN:
    """A copy of the GAN from which all arms of a seed go on; it is trained once."""
    gan = deepcopy(_pretrained(config.shared(), seed, device, spectral))
    gan.config = config
    return gan


@lru_cache(maxsize=2)
def _pretrained(config: Config, seed: int, device: torch.device | str, spectral: bool) -> GAN:
    seed_everything(10 * seed)
    networks = (network.to(device) for network in build(config, spectral))
    gan = GAN(*networks, config, spectral)
    stream = torch.Generator().manual_seed(10 * seed)
    return train(gan, load(config, seed).train.images, config.pretrain, stream, label="pretraining")


def real_batches(real: list[Diagram], size: int, seed: int) -> Callable[[], list[Diagram]]:
    """A source of random subsets of the real diagrams, with a stream of its own."""
    stream = torch.Generator().manual_seed(seed)
    return lambda: [real[i] for i in torch.randperm(len(real), generator=stream)[:size]]


def fork(
    config: Config,
    rule: str,
    seed: int,
    device: torch.device | str = "cpu",
    loss: Callable[..., TopologicalLoss] = topological_loss,
) -> GAN:
    """Go on from the pretrained GAN with one rule for its loops.

    Parameters
    ----------
    rule : {"none", "matched", "blind", "spectral"}
        No topological loss; Eq. 4; every loop is to be closed; no topological loss, with the
        spectrally normalised critic in place of the penalty, pretrained in the same way.
    loss : callable
        :func:`topological_loss`, or a student's own.
    """
    spectral = rule == "spectral"
    gan = pretrained(config, seed, device, spectral)
    task = load(config, seed)
    draw = real_batches(task.train.diagrams, config.topo_real, 10 * seed + 1)

    def matched(masks: Tensor) -> TopologicalLoss:
        return loss(masks, draw(), config.mode, config.match, config.thickness)

    def blind(masks: Tensor) -> TopologicalLoss:
        return loss(masks, None, config.mode, config.match, config.thickness)

    topology = {"matched": matched, "blind": blind}.get(rule)
    stream = torch.Generator().manual_seed(10 * seed + 2)
    return train(gan, task.train.images, config.steps, stream, topology, label=rule)
