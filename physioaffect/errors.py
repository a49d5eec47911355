"""Errors that a user can mend; each says what was found, what was expected and how to mend it."""

import difflib
from collections.abc import Iterable

__all__ = ["DataError", "PhysioaffectError", "ProtocolError", "RunError", "did_you_mean"]


class PhysioaffectError(ValueError):
    """Base of every error that a user can mend; the command line prints it as a paragraph."""


class DataError(PhysioaffectError):
    """A file or folder is not what its data set or device is distributed as."""


class ProtocolError(PhysioaffectError):
    """The data at hand cannot support what a protocol, task or model asks for."""


class RunError(PhysioaffectError):
    """A result folder cannot be written, read or continued."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say which of the known names was probably meant, or which there are.

    Examples
    --------
    >>> did_you_mean("modles", ["models", "protocols"])
    'Did you mean models?'
    >>> did_you_mean("x", ["models", "protocols"])
    'Use one of models, protocols.'
    """
    known = list(known)
    lowered = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name[:100].lower(), lowered, n=1)
    return f"Did you mean {lowered[close[0]]}?" if close else f"Use one of {', '.join(known)}."
