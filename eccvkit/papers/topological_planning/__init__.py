"""Paper 28: Learning to Plan with Uncertain Topological Maps.

Edward Beeching, Jilles Dibangoye, Olivier Simonin, Christian Wolf; ECCV 2020, LNCS 12348,
pp. 473-490.

The idea in three sentences. An agent that has explored a home owns a graph: places with pictures,
distances, and probabilities that one can go straight from one to the other; Dijkstra must trust
these probabilities, although they are often wrong. The paper trains a graph network to name, for
each node, the next node on the *true* shortest path, so that it can learn how the probabilities err
and let the pictures overrule them. The network has the shape of Bellman-Ford: rounds of gated
messages between all pairs, which a GRU reads one after the other, so that it could keep a running
minimum.

Where the paper is silent, we chose: states r start at zero; the GRU keeps its hidden state h from
round to round; the MLP is one linear layer with ReLU; distances are divided by the largest of their
map; the diagonal of E is 1; lambda and theta are tuned on validation maps, for each measure of its
own. H-SPL, which the paper does not define: follow the next hops over the true graph; a step along
a false edge, a node that names itself, and more than N steps are failures; SPL with the lengths of
true edges. Both measures look at pairs at two hops or more, as the paper says.

Where we deviate:

* Floor plans drawn at random (:mod:`eccvkit.data.floor_plans`) instead of Gibson homes, with 8
  nodes instead of 32; links are right for three pairs in four; the vision feature of a node is the
  colour of its room, not the output of a network.
* The lab preset has three rounds, where the paper asks for as many as the longest path has hops
  (about one pair in twenty is farther), one GRU layer and states of 32 numbers.
* The target node is given. The paper takes the node whose features are nearest to those of the goal
  image in cosine distance; nodes of one room look alike here.
* A local controller that walks straight and slides along walls, instead of a policy trained with
  PPO; it has m = 20 steps of 0.25 m, which is the 5 m within which the paper's local goals lie
  (with the paper's m = 10 even the oracle gets lost between our eight nodes).
* Adam with a warm-up and a cosine; on pilot seeds a rate of 0.01 was best for the GRU, and for the
  mean within a point of the best. Mod-drop tapers over the first fifth of the training.
* Eq. 5 prints the arg min; the most redundant node is the arg max, which we use.

The released code multiplies the two linear maps of Eq. 1 in another way; we follow the equation.

Modules, in reading order: :mod:`~eccvkit.papers.topological_planning.planner` (Eqs. 1-3),
:mod:`~eccvkit.papers.topological_planning.bellman_ford` (Eq. 4),
:mod:`~eccvkit.papers.topological_planning.creation` (Eq. 5),
:mod:`~eccvkit.papers.topological_planning.symbolic` (Sect. 5.1),
:mod:`~eccvkit.papers.topological_planning.control` (Sect. 5.2),
:mod:`~eccvkit.papers.topological_planning.config`,
:mod:`~eccvkit.papers.topological_planning.tasks` (data and labels),
:mod:`~eccvkit.papers.topological_planning.experiment`,
:mod:`~eccvkit.papers.topological_planning.inside`,
:mod:`~eccvkit.papers.topological_planning.claims`.
"""

from eccvkit.papers.topological_planning.bellman_ford import (
    bellman_ford_round,
    by_hand,
    min_cell,
    planner_round,
)
from eccvkit.papers.topological_planning.claims import (
    CLAIMS,
    CONTROL_CLAIMS,
    EXTRA_CLAIMS,
    NEAR_OPTIMUM,
    PAPER_TABLE1,
    PAPER_TABLE2,
)
from eccvkit.papers.topological_planning.config import PAPER, PRESETS, Config, configure
from eccvkit.papers.topological_planning.control import Episodes, draw_episodes, navigate
from eccvkit.papers.topological_planning.creation import explore, kernel, most_redundant
from eccvkit.papers.topological_planning.experiment import (
    EXTRA,
    MOD_DROP,
    NEURAL,
    REFERENCES,
    SIZES,
    VARIANTS,
    evaluate,
    evaluate_walks,
    joined,
    mask_probability,
    next_hop_loss,
    plan,
    run,
    symbolic_costs,
    train,
)
from eccvkit.papers.topological_planning.inside import (
    distance_inputs,
    latents,
    probe,
    reading_trace,
    running_minima,
)
from eccvkit.papers.topological_planning.planner import (
    GatedMessages,
    MeanAggregation,
    Planner,
    RecurrentAggregation,
    gated_messages,
    node_inputs,
)
from eccvkit.papers.topological_planning.symbolic import (
    LAMBDAS,
    THETAS,
    by_colour,
    custom_costs,
    threshold_costs,
    true_costs,
    tune,
)
from eccvkit.papers.topological_planning.tasks import (
    Maps,
    Task,
    from_files,
    from_plans,
    label,
    load,
)

__all__ = [
    "CLAIMS",
    "CONTROL_CLAIMS",
    "EXTRA",
    "EXTRA_CLAIMS",
    "LAMBDAS",
    "MOD_DROP",
    "NEAR_OPTIMUM",
    "NEURAL",
    "PAPER",
    "PAPER_TABLE1",
    "PAPER_TABLE2",
    "PRESETS",
    "REFERENCES",
    "SIZES",
    "THETAS",
    "VARIANTS",
    "Config",
    "Episodes",
    "GatedMessages",
    "Maps",
    "MeanAggregation",
    "Planner",
    "RecurrentAggregation",
    "Task",
    "bellman_ford_round",
    "by_colour",
    "by_hand",
    "configure",
    "custom_costs",
    "distance_inputs",
    "draw_episodes",
    "evaluate",
    "evaluate_walks",
    "explore",
    "from_files",
    "from_plans",
    "gated_messages",
    "joined",
    "kernel",
    "label",
    "latents",
    "load",
    "mask_probability",
    "min_cell",
    "most_redundant",
    "navigate",
    "next_hop_loss",
    "node_inputs",
    "plan",
    "planner_round",
    "probe",
    "reading_trace",
    "run",
    "running_minima",
    "symbolic_costs",
    "threshold_costs",
    "train",
    "true_costs",
    "tune",
]
