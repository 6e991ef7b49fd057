"""Paper 32: Multi-person 3D Pose Estimation in Crowded Scenes Based on Multi-view Geometry.

He Chen, Pengfei Guo, Pengfei Li, Gim Hee Lee, Gregory Chirikjian; ECCV 2020, LNCS 12348,
pp. 541-557.

The idea in three sentences. Matching people between cameras by distances to epipolar lines fails in
a crowd, because a line passes many people, so they are matched by their feet: a homography of the
ground turns the distance of a point from a line into that of two points, and a linear assignment
does the rest. Joints in space are the maximum of a posterior in which uncertain detections count
less and bones have known lengths. The 2D network finds six more joints, on the feet, and its loss
weights them.

Where we deviate from the paper:

* Eq. 1 sums the feet to I + 7; there are six, as in its normaliser.
* Eq. 3 bounds sums of costs by 1, a misprint for the assignment, and asks that everybody is
  matched, which cannot be for different numbers of people. We solve the rectangular assignment.
* The ground is rectified to metres, where Eq. 4 is the same for every pair of views, and the cross
  product is taken by its size.
* Eqs. 6 and 7 print normalisers that are constant in the unknowns; they are left out.
* The trust-region solver is a Levenberg-Marquardt for all people in one batch.
* People are made of capsules and cameras are simulated, so that the truth is known; the network is
  small and gets true boxes.

Where the paper is silent, we chose:

* k1, k2, k3 = 1, 0.5, 0.1; a gate of 0.8 m where poses are estimated, none where matching is
  judged.
* sigma = sigma_0 (h_box / 200 px) / max(peak, 0.05), with sigma_0 calibrated on other scenes;
  bones have the generator's mean lengths and 6 % of them as standard deviation.
* lambda = 2, and a sweep over 1, 2, 4. Boxes are missed with a probability of 5 %.

Modules, in reading order: :mod:`~eccvkit.papers.crowded_mvpose.matching` (feet),
:mod:`~eccvkit.papers.crowded_mvpose.epipolar` (its rivals),
:mod:`~eccvkit.papers.crowded_mvpose.triangulation` (Eqs. 5 to 7),
:mod:`~eccvkit.papers.crowded_mvpose.uncertainty` (sigma),
:mod:`~eccvkit.papers.crowded_mvpose.sppe` (Eq. 1),
:mod:`~eccvkit.papers.crowded_mvpose.config`, :mod:`~eccvkit.papers.crowded_mvpose.work`,
:mod:`~eccvkit.papers.crowded_mvpose.correspondence` (studies of matching),
:mod:`~eccvkit.papers.crowded_mvpose.experiment` (poses),
:mod:`~eccvkit.papers.crowded_mvpose.learned` (with the network),
:mod:`~eccvkit.papers.crowded_mvpose.claims`.
"""

from eccvkit.papers.crowded_mvpose.claims import (
    CLAIMS,
    COST_CLAIMS,
    LEARNED_CLAIMS,
    MATCHING_CLAIMS,
    POSE_CLAIMS,
    SPPE_CLAIMS,
    GapGrowth,
)
from eccvkit.papers.crowded_mvpose.config import (
    PAPER,
    PAPER_TABLE1,
    PAPER_TABLE3,
    PAPER_TABLE5,
    PAPER_TABLE6,
    PAPER_TABLE7,
    PRESETS,
    Config,
    configure,
)
from eccvkit.papers.crowded_mvpose.correspondence import (
    MATCHERS,
    NODES,
    SETTINGS,
    assignment_problems,
    epipolar_costs,
    feet_costs,
    feet_on_ground,
    pair_costs,
    run_cost,
    run_matching,
)
from eccvkit.papers.crowded_mvpose.epipolar import (
    epipolar_cost,
    epipolar_distances,
    fit_fundamental,
    ransac_cost,
)
from eccvkit.papers.crowded_mvpose.experiment import (
    BUDGETED,
    CONVERGED,
    VARIANTS,
    Scene,
    evaluate,
    load_scenes,
    match_people,
    match_scene,
    run,
)
from eccvkit.papers.crowded_mvpose.learned import (
    FOOT_WEIGHTS,
    load_crops,
    load_crowds,
    run_learned,
    run_sppe,
    train,
)
from eccvkit.papers.crowded_mvpose.matching import (
    FEET_GATE,
    WEIGHTS,
    assign,
    feet_cost,
    feet_of,
    match_views,
    merge,
    pair_scores,
    rectify,
)
from eccvkit.papers.crowded_mvpose.sppe import (
    SPPE,
    Crops,
    cut_crops,
    detect_with,
    foot_weighted_loss,
    join_crops,
    predict,
)
from eccvkit.papers.crowded_mvpose.triangulation import (
    Estimate,
    Problem,
    bone_lengths,
    cost,
    dlt,
    in_sight,
    minimise,
    normal_equations,
    project,
    residuals,
    solve_with_scipy,
    starting_point,
    triangulate,
)
from eccvkit.papers.crowded_mvpose.uncertainty import (
    BONE_SPREAD,
    calibrate,
    calibrate_on,
    pose_problem,
    relative_sigma,
)
from eccvkit.papers.crowded_mvpose.work import count_relaxations, joint_costs, paper_bounds

__all__ = [
    "BONE_SPREAD",
    "BUDGETED",
    "CLAIMS",
    "CONVERGED",
    "COST_CLAIMS",
    "FEET_GATE",
    "FOOT_WEIGHTS",
    "LEARNED_CLAIMS",
    "MATCHERS",
    "MATCHING_CLAIMS",
    "NODES",
    "PAPER",
    "PAPER_TABLE1",
    "PAPER_TABLE3",
    "PAPER_TABLE5",
    "PAPER_TABLE6",
    "PAPER_TABLE7",
    "POSE_CLAIMS",
    "PRESETS",
    "SETTINGS",
    "SPPE",
    "SPPE_CLAIMS",
    "VARIANTS",
    "WEIGHTS",
    "Config",
    "Crops",
    "Estimate",
    "GapGrowth",
    "Problem",
    "Scene",
    "assign",
    "assignment_problems",
    "bone_lengths",
    "calibrate",
    "calibrate_on",
    "configure",
    "cost",
    "count_relaxations",
    "cut_crops",
    "detect_with",
    "dlt",
    "epipolar_cost",
    "epipolar_costs",
    "epipolar_distances",
    "evaluate",
    "feet_cost",
    "feet_costs",
    "feet_of",
    "feet_on_ground",
    "fit_fundamental",
    "foot_weighted_loss",
    "in_sight",
    "join_crops",
    "joint_costs",
    "load_crops",
    "load_crowds",
    "load_scenes",
    "match_people",
    "match_scene",
    "match_views",
    "merge",
    "minimise",
    "normal_equations",
    "pair_costs",
    "pair_scores",
    "paper_bounds",
    "pose_problem",
    "predict",
    "project",
    "ransac_cost",
    "rectify",
    "relative_sigma",
    "residuals",
    "run",
    "run_cost",
    "run_learned",
    "run_matching",
    "run_sppe",
    "solve_with_scipy",
    "starting_point",
    "train",
    "triangulate",
]
