"""What can be trained on: bundled real data, procedural generators, readers of published formats.

====================================  ==========================================================
:mod:`~eccvkit.data.bundled`           real images that ship inside scikit-learn and scikit-image
:mod:`~eccvkit.data.splits`            seeded train/test and known/unknown partitions
:mod:`~eccvkit.data.readers`           the papers' own data sets in their published formats
:mod:`~eccvkit.data.glyph_aircraft`    long-tailed aircraft silhouettes with exact classes and roles
:mod:`~eccvkit.data.aircraft_shapes`   how one silhouette is drawn
====================================  ==========================================================

Tensors for training are float32 images (N, C, H, W) in [0, 1] and int64 labels (N,); readers return
plain arrays.
"""
