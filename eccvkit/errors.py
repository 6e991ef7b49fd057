"""Errors meant for people: one line that says what is wrong and what to do about it."""

from collections.abc import Iterable
from difflib import get_close_matches


class EccvkitError(Exception):
    """Base of every error this package raises on purpose.

    The message is one line naming the cause and the remedy; the command line prints it without a
    traceback and exits with status 2.
    """


class UnknownName(EccvkitError, KeyError):
    """A name (paper, preset, variant, parameter, ...) that is not among the valid ones."""

    def __str__(self) -> str:
        # KeyError would print the repr of the message, quotes and all.
        return str(self.args[0])


class DataError(EccvkitError, ValueError):
    """A data file is missing, truncated, of the wrong kind, or does not fit its neighbour."""


class NonFiniteLoss(EccvkitError, FloatingPointError):
    """A loss term became NaN or infinite during training."""


def unknown(kind: str, name: object, valid: Iterable[str]) -> UnknownName:
    """Build the error for an unknown name: lists the valid ones and guesses what was meant.

    Parameters
    ----------
    kind : str
        What the name stands for, in the singular ("preset", "paper", "parameter").
    name : object
        What was given.
    valid : iterable of str
        The names that would have been accepted.

    Examples
    --------
    >>> print(unknown("preset", "smok", ["smoke", "lab", "gpu"]))
    unknown preset 'smok': did you mean 'smoke'? Valid: smoke, lab, gpu
    """
    valid = [str(v) for v in valid]
    close = get_close_matches(str(name), valid, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    between = "; " if any("," in v for v in valid) else ", "
    return UnknownName(f"unknown {kind} {name!r}: {hint}Valid: {between.join(valid)}")
