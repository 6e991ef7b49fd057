"""What can be trained on: bundled real data, procedural generators, readers of published formats.

============================  ==================================================================
:mod:`~eccvkit.data.bundled`   real images that ship inside scikit-learn and scikit-image
:mod:`~eccvkit.data.splits`    seeded train/test and known/unknown partitions
:mod:`~eccvkit.data.readers`   the papers' own data sets in their published on-disk formats
``glyph_aircraft``            long-tailed aircraft silhouettes with exact classes and roles
============================  ==================================================================

Images are float32 tensors (N, C, H, W) in [0, 1]; labels are int64 tensors (N,).
"""
