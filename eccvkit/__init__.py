"""eccvkit: *Computer Vision - ECCV 2020, Part III* as executable notebooks.

Importing the package is cheap on purpose: no torch, no matplotlib. Import the piece you need::

    from eccvkit.papers import rpl
    from eccvkit.metrics import openset

Floors of the house (imports only go down)::

    notebooks -> papers -> (study, claims, training) -> (data, nn, metrics, viz)

``runner`` and ``cli`` treat notebooks as files and import neither papers nor torch.
"""

__version__ = "0.1.0"
