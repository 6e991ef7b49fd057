"""Measures used by two or more papers, with scikit-learn and SciPy inside.

:mod:`~eccvkit.metrics.openset` judges the rejection of unknown classes;
:mod:`~eccvkit.metrics.stats` gives intervals for means and paired differences.
"""
