"""Measures used by two or more papers, with scikit-learn and SciPy inside.

:mod:`~eccvkit.metrics.openset` judges the rejection of unknown classes;
:mod:`~eccvkit.metrics.stats` gives intervals for means and paired differences;
:mod:`~eccvkit.metrics.frechet` compares sets of features, with the floor that finite sets leave;
:mod:`~eccvkit.metrics.mmd` is the maximum mean discrepancy from kernel matrices;
:mod:`~eccvkit.metrics.chamfer` compares point clouds without correspondence;
:mod:`~eccvkit.metrics.procrustes` aligns point clouds in correspondence;
:mod:`~eccvkit.metrics.matching` is the accuracy of image matches at pixel thresholds;
:mod:`~eccvkit.metrics.detection` matches detections and gives average precision, as COCO does;
:mod:`~eccvkit.metrics.pose` measures joints in space (MPJPE, PCK) and in images (OKS);
:mod:`~eccvkit.metrics.events` measures events in time, by snippet and by event;
:mod:`~eccvkit.metrics.planning` measures plans: next hops, success, path length.
"""
