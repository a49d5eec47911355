"""Two clocks: the offset and the linear drift between two devices that recorded the same movement.

A quartz is off by 10 to 100 parts in a million, so that two devices drift apart by 0.04 to 0.4 s in an hour,
and their clocks may have been set seconds or minutes apart. Both can be found from a signal that both
recorded, such as the magnitude of acceleration on the same arm, or given by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices._clock_votes import ClockSearch, check_rivals, votes_of, winning_line
from physioaffect.devices._lag import Lags, on_grid
from physioaffect.devices.session import DeviceSession
from physioaffect.errors import DataError
from physioaffect.recording import Signal

__all__ = ["Clock", "ClockSearch", "Synchronised", "align", "estimate_clock", "synchronise"]

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """How to turn the times of one device into those of a reference.

    ``reference = offset + (1 + drift) * time``, in seconds.

    Parameters
    ----------
    offset : float
        Time on the reference clock when the device's own time is 0.
    drift : float
        What the reference gains in a second of the device; ``50e-6`` is 50 parts in a million.
    centre : float
        Time of the device at which the relation is best known.
    std, drift_std : float
        Standard errors of the reference time at ``centre`` and of the drift; 0 if they were given by hand.
    n_anchors : int
        Places of the recording from which they were estimated.

    Examples
    --------
    >>> clock = Clock(offset=10.0, drift=1e-4, centre=1800.0, std=0.002, drift_std=1e-6)
    >>> float(clock.to_reference(3600.0))
    3610.36
    >>> round(float(clock.uncertainty(3600.0)), 5)
    0.00269
    """

    offset: float
    drift: float = 0.0
    centre: float = 0.0
    std: float = 0.0
    drift_std: float = 0.0
    n_anchors: int = 0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.offset, self.drift, self.centre))):
            raise ValueError(f"A clock needs finite numbers, got {self.offset}, {self.drift}, {self.centre}.")
        if abs(self.drift) > 0.1:
            raise ValueError(
                f"drift is seconds per second, such as 50e-6 for 50 ppm, and at most 0.1; got {self.drift}."
            )
        if self.std < 0 or self.drift_std < 0:
            raise ValueError(f"Standard errors are not negative, got {self.std} and {self.drift_std}.")

    def to_reference(self, times: Array | float) -> Array:
        """Turn times of the device into times of the reference."""
        return np.asarray(self.offset + (1 + self.drift) * np.asarray(times, dtype=np.float64))

    def uncertainty(self, times: Array | float) -> Array:
        """Standard error in seconds of what `to_reference` gives."""
        away = np.asarray(times, dtype=np.float64) - self.centre
        return np.asarray(np.hypot(self.std, away * self.drift_std))

    def inverse(self) -> Clock:
        """Give the relation from the reference to the device."""
        rate = 1 + self.drift
        return Clock(
            offset=-self.offset / rate,
            drift=1 / rate - 1,
            centre=float(self.to_reference(self.centre)),
            std=self.std / rate,
            drift_std=self.drift_std / rate**2,
            n_anchors=self.n_anchors,
        )


class Synchronised(NamedTuple):
    """A session on the clock of another one, and the relation that was found."""

    session: DeviceSession
    clock: Clock


def estimate_clock(
    reference: Signal, other: Signal, *, guess: float = 0.0, search: ClockSearch | None = None
) -> Clock:
    """Find offset and drift from a signal that both devices recorded.

    Parameters
    ----------
    reference, other : Signal
        The same movement (or other cause) as both saw it: ``acc`` and ``gyro`` are compared by their
        magnitude, other kinds by their only channel. Flagged samples do not count.
    guess : float
        Expected offset in seconds, such as the difference of the two ``started_at``.
    search : ClockSearch, optional
        Where and how finely to look.

    Returns
    -------
    Clock
        From times of ``other`` to times of ``reference``, with standard errors.

    Raises
    ------
    DataError
        If the correlation does not stand out, or the signals are too short or hold too little movement.

    Notes
    -----
    Pieces of ``other`` are slid along ``reference`` and correlated, normalised at every lag and with missing
    samples left out [1]_. Each piece votes for its best lag; the line ``lag = offset + drift * time`` on
    which most votes lie within ``tolerance`` wins. If unrelated, a piece's best lag lies anywhere in the
    range searched, so the number of votes on the best of all lines through two of them has a binomial tail
    (with Bonferroni's bound on the number of lines), which must be below 1e-4. At any other offset, the mean
    correlation of these pieces must be below nine tenths of that on the line. The lags that voted for the
    winner are refined to fractions of a sample (a cubic spline through the correlation), placed at the
    centre of gravity of the piece's variance, and fitted by least squares with Huber's weights. The standard
    errors are its asymptotic ones, with a hundredth of a sampling interval as the least error of a lag; on
    simulated movement (60 recordings of 20 minutes, tests) the true errors are 1.3 times as large.

    References
    ----------
    .. [1] Padfield (2012). Masked object registration in the Fourier domain. IEEE Trans Image Process 21(5),
       2706-2718. https://doi.org/10.1109/TIP.2011.2181402 (equations 3 to 12, in one dimension).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> moves = np.abs(rng.normal(size=600 * 32)) ** 3
    >>> wrist = Signal(data=moves[None], sfreq=32, ch_names=("x",), kind="acc", unit="g")
    >>> chest = Signal(data=moves[None], sfreq=32, ch_names=("x",), kind="acc", unit="g", start=-7.5)
    >>> round(estimate_clock(wrist, chest).offset, 3)
    7.5
    """
    search = search or ClockSearch()
    sfreq = min(search.sfreq, reference.sfreq, other.sfreq)
    tracks = on_grid(reference, sfreq), on_grid(other, sfreq)
    lags = votes_of(*tracks, guess, search)
    offset, drift = winning_line(lags, search, guess)
    off_line = lags.offsets - (offset + drift * lags.times)
    lags = lags.keep(np.abs(off_line) <= search.tolerance)
    check_rivals(lags, offset + drift * lags.times, sfreq, search.tolerance)
    return _fitted(lags, 0.01 / sfreq)


def synchronise(
    reference: DeviceSession, other: DeviceSession, *, signal: str = "acc", search: ClockSearch | None = None
) -> Synchronised:
    """Bring one session onto the clock of another, by a signal that both have.

    Parameters
    ----------
    reference, other : DeviceSession
        If both tell UTC, the offset is looked for around the difference of the two clocks, else around 0.
    signal : str
        Name of the signal in both.
    search : ClockSearch, optional
        Where and how finely to look.

    Returns
    -------
    Synchronised
        ``other`` with times counted from the time 0 of ``reference``.

    Raises
    ------
    DataError
        If one of the two lacks the signal, or `estimate_clock` finds no agreement.

    Examples
    --------
    >>> moves = np.abs(np.random.default_rng(0).normal(size=600 * 32)) ** 3
    >>> acc = Signal(data=moves[None], sfreq=32.0, ch_names=("x",), kind="acc", unit="g")
    >>> chest = DeviceSession("RespiBAN", None, None, {"acc": acc})
    >>> wrist = DeviceSession("Empatica E4", None, None, {"acc": replace(acc, start=-7.5)})
    >>> session, clock = synchronise(chest, wrist)
    >>> round(clock.offset, 3), round(abs(session.signals["acc"].start), 3)
    (7.5, 0.0)
    """
    found = []
    for session in (reference, other):
        one = session.signals.get(signal)
        if not isinstance(one, Signal):
            raise DataError(
                f"The recording of {session.device} has no signal {signal!r}; it has "
                f"{', '.join(session.signals) or 'none'}. Choose a signal that both devices recorded."
            )
        found.append(one)
    guess = 0.0
    if reference.started_at is not None and other.started_at is not None:
        guess = (other.started_at - reference.started_at).total_seconds()
    clock = estimate_clock(*found, guess=guess, search=search)
    aligned = align(other, clock)
    return Synchronised(aligned._replace(started_at=reference.started_at), clock)


def align(session: DeviceSession, clock: Clock, *, started_at: datetime | None = None) -> DeviceSession:
    """Re-time a session; no sample is changed.

    Parameters
    ----------
    session : DeviceSession
        The recording.
    clock : Clock
        Estimated, or given by hand: ``Clock(offset=3.2)`` if the device's clock was 3.2 s behind.
    started_at : datetime, optional
        Time 0 of the reference, aware. Default: that of the session, whose own clock is then corrected.

    Returns
    -------
    DeviceSession
        ``start`` and ``sfreq`` of every signal and ``times`` of all events by the clock of the reference.
        What was done is in ``notes``.

    Examples
    --------
    >>> eda = Signal(data=np.ones((1, 40)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> session = DeviceSession("Empatica E4", None, None, {"eda": eda})
    >>> moved = align(session, Clock(offset=3.2))
    >>> moved.signals["eda"].start, moved.notes
    (3.2, ('Clock of Empatica E4 moved by 3.2000 s and 0.00 ppm.',))
    """
    moved = {
        name: replace(
            signal, start=float(clock.to_reference(signal.start)), sfreq=signal.sfreq / (1 + clock.drift)
        )
        if isinstance(signal, Signal)
        else replace(signal, times=clock.to_reference(signal.times))
        for name, signal in session.signals.items()
    }
    errors = (
        f" (standard errors {clock.std:.2g} s and {1e6 * clock.drift_std:.2g} ppm)" if clock.n_anchors else ""
    )
    note = f"Clock of {session.device} moved by {clock.offset:.4f} s and {1e6 * clock.drift:.2f} ppm{errors}."
    return session._replace(
        signals=moved,
        started_at=session.started_at if started_at is None else started_at,
        notes=(*session.notes, note),
    )


def _fitted(lags: Lags, least_error: float) -> Clock:
    """Line through the lags by least squares with Huber's weights."""
    centre = float(lags.times.mean())
    design = np.stack([np.ones(len(lags.times)), lags.times - centre], axis=1)
    weights = np.ones(len(lags.times))
    for _ in range(20):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(design * root[:, None], lags.offsets * root, rcond=None)[0]
        residuals = lags.offsets - design @ solution
        scale = max(1.4826 * float(np.median(np.abs(residuals))), least_error)
        weights = np.minimum(1.0, 1.345 * scale / np.maximum(np.abs(residuals), 1e-12))
    # Huber's asymptotic variance: that of the bounded residuals over the squared share of those within
    # bounds.
    bounded = float(((weights * residuals) ** 2).sum()) / max(len(residuals) - 2, 1)
    variance = max(bounded / float(np.mean(weights == 1.0)) ** 2, least_error**2)
    covariance = variance * np.linalg.inv(design.T @ design)
    drift = float(solution[1])
    return Clock(
        offset=float(solution[0]) - drift * centre,
        drift=drift,
        centre=centre,
        std=float(np.sqrt(covariance[0, 0])),
        drift_std=float(np.sqrt(covariance[1, 1])),
        n_anchors=len(lags.times),
    )
