"""What is known of windows: their channels by name, their rate; and their order, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from physioaffect.errors import DataError
from physioaffect.windows import Windows

__all__ = ["About", "Input", "about_windows", "in_order"]


class About(NamedTuple):
    """Size of a window, and the names of its channels and its rate where the windows know them."""

    n_channels: int
    n_last: int
    ch_names: tuple[str, ...] | None
    sfreq: float | None


class Input(NamedTuple):
    """What a network is built for: ``n_last`` is the number of bands or of samples of a window."""

    n_channels: int
    n_last: int
    ch_names: tuple[str, ...] | None
    sfreq: float | None
    n_outputs: int


def about_windows(X: Any, ch_names: Sequence[str] | None, layout: tuple[str, ...]) -> About:
    """Say what windows are, whose channels are `in_order`.

    Parameters
    ----------
    X : array-like, DataArray or Windows, shape (n_windows, n_channels, n_last)
        A DataArray names its channels by its coordinate ``channel``.
    ch_names : sequence of str, optional
        The names the network knows; taken for those of windows that name none.
    layout : tuple of str
        What the dimensions after the first are called, for the error.

    Raises
    ------
    DataError
        If the windows are not of that shape, or there are more or fewer channels than names.
    """
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) != 3:
        raise DataError(
            f"Windows must be (n_windows, {', '.join('n_' + name + 's' for name in layout)}), got "
            f"{'no array' if shape is None else f'shape {tuple(shape)}'}. For one window pass X[np.newaxis]."
        )
    names = _own_names(X)
    if names is None and ch_names is not None:
        names = tuple(ch_names)
    if names is not None and len(names) != shape[1]:
        raise DataError(
            f"The network knows {len(names)} channels ({', '.join(names)}), the windows have {shape[1]}."
        )
    sfreq = float(X.sfreq) if isinstance(X, Windows) else None
    return About(int(shape[1]), int(shape[2]), names, sfreq)


def in_order(X: Any, ch_names: Sequence[str] | None, layout: tuple[str, ...]) -> Any:
    """Put dimensions, and channels, into the order that the network knows, by name; unnamed ones stay.

    Raises
    ------
    DataError
        If one of them is missing.
    """
    if set(layout) <= set(getattr(X, "dims", ())):
        X = X.transpose(..., *layout)
    own = _own_names(X)
    if own is None or ch_names is None or own == tuple(ch_names):
        return X
    if lacking := [name for name in ch_names if name not in own]:
        raise DataError(
            f"The network knows the channels {', '.join(ch_names)}; the windows have {', '.join(own)}: "
            f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} missing."
        )
    if isinstance(X, Windows):
        return X.pick(ch_names)
    return X[:, [own.index(name) for name in ch_names]]


def _own_names(X: Any) -> tuple[str, ...] | None:
    if isinstance(X, Windows):
        return tuple(X.ch_names)
    if hasattr(X, "coords") and "channel" in X.coords:
        return tuple(str(name) for name in X.coords["channel"].values)
    return None
