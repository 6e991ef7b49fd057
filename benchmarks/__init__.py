"""Measured bars of the project: ``python -m benchmarks [NAME...]`` (``make bench``)."""
