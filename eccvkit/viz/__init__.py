"""Pictures used by two or more papers.

=================================  =============================================================
:mod:`~eccvkit.viz.style`          one look for all figures, one colour per arm, alt text required
:mod:`~eccvkit.viz.colour_vision`  which colours some readers take for each other
:mod:`~eccvkit.viz.curves`         loss curves, sweeps with bands, ROC and precision-recall
:mod:`~eccvkit.viz.bars`           ablations with intervals, beside the paper's numbers
:mod:`~eccvkit.viz.embed`          t-SNE, PCA and MDS of latents, with a grey unknown class
:mod:`~eccvkit.viz.images`         galleries
:mod:`~eccvkit.viz.latent`         latent paths, bilinear grids
:mod:`~eccvkit.viz.meshes`         shaded meshes and point clouds with values and isolines
:mod:`~eccvkit.viz.live`           the same, to turn with the mouse
:mod:`~eccvkit.viz.topology`       persistence diagrams, barcodes, transport plans, Betti histograms
:mod:`~eccvkit.viz.heights`        functions on the plane: sublevel sets, heat maps, landscapes
:mod:`~eccvkit.viz.skeletons`      stick figures in images and in space, cameras
:mod:`~eccvkit.viz.timelines`      which event is on when
:mod:`~eccvkit.viz.graphs`         graphs on floor plans, ways
=================================  =============================================================

Functions that take ``ax`` draw into it and return it; :func:`~eccvkit.viz.style.show` publishes the
figure with its alternative text.
"""

from eccvkit.viz.style import arm_colours, show, use_style

__all__ = ["arm_colours", "show", "use_style"]
