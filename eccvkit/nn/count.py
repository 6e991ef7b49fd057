"""Count what a module learns, to compare our networks with the sizes papers state."""

from torch import nn


def count_parameters(module: nn.Module, trainable: bool = True) -> int:
    """Count the parameters of a module; shared parameters count once, buffers never.

    Parameters
    ----------
    module : nn.Module
    trainable : bool
        True counts only parameters that require a gradient; False counts frozen ones too.

    Examples
    --------
    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)
