"""What some networks must know of their windows: the electrodes by name, the sampling rate."""

from __future__ import annotations

from physioaffect.errors import DataError

from .inputs import Input

__all__ = ["known_electrodes", "known_rate"]


def known_electrodes(about: Input, network: str) -> tuple[str, ...]:
    """Names of the electrodes, or a `DataError` that says which network asks for them."""
    if about.ch_names is None:
        raise DataError(
            f"{network} needs to know its electrodes: pass ch_names=(...), or windows that name theirs."
        )
    return about.ch_names


def known_rate(about: Input, sfreq: float | None, network: str) -> float:
    """Sampling rate in Hz: that of the windows where they know it, else the one that was passed.

    Raises
    ------
    DataError
        If neither is known, the two differ, or it is no positive number.
    """
    if about.sfreq is not None and sfreq not in (None, about.sfreq):
        raise DataError(
            f"{network} was told that samples come at {sfreq:g} Hz, the windows say {about.sfreq:g} Hz. "
            "Leave sfreq out, or resample them."
        )
    rate = about.sfreq if about.sfreq is not None else sfreq
    if rate is None:
        raise DataError(
            f"{network} needs to know the sampling rate: pass sfreq=... in Hz, or windows that know theirs."
        )
    if not rate > 0:
        raise DataError(f"{network} needs a sampling rate above 0 Hz, got {rate:g}.")
    return rate
