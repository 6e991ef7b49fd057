"""Paper 2: LIMP: Learning Latent Shape Representations with Metric Preservation Priors.

Luca Cosmo, Antonio Norelli, Oshri Halimi, Ron Kimmel, Emanuele Rodolà; ECCV 2020, LNCS 12348,
pp. 19-35.

The idea in three sentences. A VAE on a few registered shapes has no reason to decode the codes
between two shapes to anything sensible, so LIMP asks that the distances between the points of a
decoded mixture be the mixture of the distances. Geodesic distances are computed on the decoded
shape by the heat method, which is differentiable, so the loss reaches the decoder through two
linear solves. The same measurements split the code into an intrinsic part (identity, changes
geodesics) and an extrinsic part (pose, does not) without shapes in matching poses.

Where we deviate from the paper:

* Sums over matrix entries are means, so that weights mean the same for any number of vertices.
* The target of Eq. 3 mixes the distances of the inputs, not of their reconstructions, as the
  authors' code does; ``target="decoded"`` is the equation as printed.
* "Local" in Eq. 3 means near on the surface, because bent strips touch themselves.
* Adam with rate 2e-3 and a cosine schedule instead of 1e-4, 900 instead of 10,000 iterations of
  reconstruction alone, and small networks: the shapes here have 80 vertices.
* Beside Eq. 2 all arms compare coordinates. Distances alone leave a part of some shapes folded the
  wrong way, at a distance error of 2 %; such a shape is never interpolated, whatever the arm.
* After those iterations the statistics of batch normalisation are fixed in all arms. The authors'
  code fixes them in the terms on pairs only, and then only the arms with such terms are trained
  with the network that is evaluated; a plain VAE on five shapes looks twice as bad.

Where the paper is silent (its supplement is not available to us), we chose:

* The diffusion time of the heat method is the squared mean edge length. Instead of shifting the
  singular Laplacian by a small multiple of the mass, we add 1/n to every entry, which is exact.
* Weights: coordinates 10, divergence 3e-3, interpolation 0.5, disentanglement 4, and a factor of 4
  for geodesic terms. Of 3e-4 to 1e-2, 3e-3 for the divergence is the best for the plain VAE on
  pilot seeds. There the reconstruction error of every arm is below 2 %.
* The baseline VAE has reconstruction and divergence only; "Euc" adds local Euclidean interpolation
  and Eq. 5; "Geo" adds geodesic interpolation and Eq. 6.

Modules, in reading order: :mod:`~eccvkit.papers.limp.heat` (geodesics),
:mod:`~eccvkit.papers.limp.losses` (the equations), :mod:`~eccvkit.papers.limp.config`,
:mod:`~eccvkit.papers.limp.network`, :mod:`~eccvkit.papers.limp.tasks` (data),
:mod:`~eccvkit.papers.limp.experiment` (arms, training), :mod:`~eccvkit.papers.limp.evaluation`,
:mod:`~eccvkit.papers.limp.claims`.
"""

from eccvkit.papers.limp.claims import (
    CLAIMS,
    FEW_CLAIMS,
    PAPER_INTERPOLATION,
    PAPER_TABLE1,
    AtMostShareOf,
)
from eccvkit.papers.limp.config import (
    FEW_PRESETS,
    PAPER,
    PRESETS,
    Config,
    configure,
)
from eccvkit.papers.limp.evaluation import (
    ALPHAS,
    edge_lengths,
    encode,
    evaluate,
    evaluation_pairs,
    exact_geodesics,
    interpolation_errors,
    interpolation_metrics,
    latent_blend,
    nearest_accuracy,
    point_error,
    spread_sources,
    swap_error,
    vertex_blend,
)
from eccvkit.papers.limp.experiment import (
    ARMS,
    BLEND,
    VARIANTS,
    Arm,
    Pairs,
    first_stage,
    jitter,
    metric_terms,
    run,
    term_weights,
    train,
)
from eccvkit.papers.limp.heat import (
    heat_geodesics,
    laplacian,
    lumped_mass,
    mean_edge,
    spd_inverse,
    triangles,
    unit_divergence,
)
from eccvkit.papers.limp.losses import (
    absolute_error,
    euclidean_distances,
    interpolate_extrinsic,
    interpolate_intrinsic,
    interpolation_target,
    kl_to_normal,
    local_mask,
    mix,
    reconstruction_loss,
    relative_error,
)
from eccvkit.papers.limp.network import ShapeVAE, swap_extrinsic
from eccvkit.papers.limp.tasks import Task, draw_pairs, load

__all__ = [
    "ALPHAS",
    "ARMS",
    "BLEND",
    "CLAIMS",
    "FEW_CLAIMS",
    "FEW_PRESETS",
    "PAPER",
    "PAPER_INTERPOLATION",
    "PAPER_TABLE1",
    "PRESETS",
    "VARIANTS",
    "Arm",
    "AtMostShareOf",
    "Config",
    "Pairs",
    "ShapeVAE",
    "Task",
    "absolute_error",
    "configure",
    "draw_pairs",
    "edge_lengths",
    "encode",
    "euclidean_distances",
    "evaluate",
    "evaluation_pairs",
    "exact_geodesics",
    "first_stage",
    "heat_geodesics",
    "interpolate_extrinsic",
    "interpolate_intrinsic",
    "interpolation_errors",
    "interpolation_metrics",
    "interpolation_target",
    "jitter",
    "kl_to_normal",
    "laplacian",
    "latent_blend",
    "load",
    "local_mask",
    "lumped_mass",
    "mean_edge",
    "metric_terms",
    "mix",
    "nearest_accuracy",
    "point_error",
    "reconstruction_loss",
    "relative_error",
    "run",
    "spd_inverse",
    "spread_sources",
    "swap_error",
    "swap_extrinsic",
    "term_weights",
    "train",
    "triangles",
    "unit_divergence",
    "vertex_blend",
]
