"""One recording of skin conductance from a device's file to bursts and parts, each with its uncertainty."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.devices.session import DeviceSession
from physioaffect.errors import DataError
from physioaffect.pinn import (
    Bursts,
    Convex,
    Deconvolution,
    TimeConstants,
    Uncertainty,
    deconvolve,
    estimate_time_constants,
    find_bursts,
    uncertainty,
)
from physioaffect.recording import Signal, Trial
from physioaffect.signals.quality import REASONS, MarkQuality, quality_summary, unit_notes
from physioaffect.signals.resampling import resampled_signal

__all__ = [
    "EDAAnalysis",
    "UnusableEDA",
    "analyse_eda",
    "checked_options",
]

_SLOWEST_HZ = 1.0
_FEWEST_REFITS = 10
_LARGEST_ECHO = 0.5


class UnusableEDA(DataError):
    """Too little of a recording is left; ``signal`` is the recording with the flags that say why.

    ``device`` and ``started_at`` are as in `EDAAnalysis`.
    """

    def __init__(self, message: str, signal: Signal, *, device: str, started_at: datetime | None) -> None:
        super().__init__(message)
        self.signal, self.device, self.started_at = signal, device, started_at


class EDAAnalysis(NamedTuple):
    """What `analyse_eda` found.

    ``signal`` is the skin conductance with its flags at the rate at which it was taken apart; times count
    from its first sample, whose UTC time is ``started_at`` (None if the file does not tell it). ``band`` is
    None if no intervals were asked for. ``constants`` are the person's own time constants as estimated, None
    if that was not asked for or there were too few responses; where there is a doubt about them the usual
    ones were used, and ``notes`` say why. ``shares`` is the share of samples with each reason.
    """

    device: str
    started_at: datetime | None
    signal: Signal
    found: Deconvolution
    bursts: Bursts
    band: Uncertainty | None
    constants: TimeConstants | None
    shares: dict[str, float]
    notes: tuple[str, ...]

    @property
    def coverage(self) -> float:
        """Share of the recording that was used."""
        return float(self.found.is_present.mean())

    @property
    def are_own(self) -> bool:
        """Whether the person's own time constants were used."""
        return self.constants is not None and not self.constants.doubts


def analyse_eda(
    session: DeviceSession,
    *,
    settings: Convex | None = None,
    own_constants: bool = False,
    threshold: float = 0.05,
    n_refits: int = 50,
    settled: bool = False,
) -> EDAAnalysis:
    """Mark what is not to be trusted in a recording, take the rest apart and list its bursts.

    Parameters
    ----------
    session : DeviceSession
        As `physioaffect.devices.any_file.read_device` gives it.
    settings : Convex
        Of the decomposition. Default: ``Convex()``.
    own_constants : bool
        Whether to estimate the person's time constants first. Where they cannot be told, the settings' are
        used, and a note says why.
    threshold : float
        Smallest response in microsiemens.
    n_refits : int
        Of the bootstrap behind the intervals; 0 for none.
    settled : bool
        Whether the electrodes had been on for a minute or more when the recording began; otherwise its first
        minute is masked.

    Returns
    -------
    EDAAnalysis

    Raises
    ------
    DataError
        If there is no skin conductance, its unit is not known or looks wrong, or its rate is below 1 Hz.
    UnusableEDA
        If fewer than 30 s are left of it. The message says why the rest was masked.

    Examples
    --------
    >>> from physioaffect.pinn import simulate_eda
    >>> data = simulate_eda(120, seed=1).eda[np.newaxis]
    >>> eda = Signal(data=data, sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> session = DeviceSession("Empatica E4", None, None, {"eda": eda})
    >>> found = analyse_eda(session, n_refits=0, settled=True)
    >>> found.signal.n_times, round(found.coverage, 2), found.are_own
    (480, 1.0, False)
    >>> len(found.bursts.times), list(found.shares)
    (10, [])
    """
    checked_options(threshold=threshold, n_refits=n_refits)
    settings = settings or Convex()
    eda, notes = _signal_of(session)
    trial = Trial(
        dataset="file",
        subject=session.subject or "1",
        trial="1",
        stimulus="none",
        signals={**session.signals, "eda": eda},
        elapsed=None if settled else 0.0,
    )
    marked = MarkQuality()(trial)
    signal = marked.signal("eda")
    quality = next(one for one in quality_summary(marked) if one.name == "eda")
    shares = {reason: float(quality.shares[reason]) for reason in REASONS if quality.shares[reason] > 0}
    if signal.sfreq > settings.max_sfreq:
        notes += (f"Brought down from {signal.sfreq:g} to {settings.max_sfreq:g} Hz.",)
        signal = resampled_signal(signal, to=settings.max_sfreq)
    started_at = session.started_at
    if started_at is not None and signal.start:
        started_at += pd.Timedelta(seconds=signal.start).to_pytimedelta()
    masked = np.asarray(signal.masked[0], dtype=np.float64)
    try:
        found = deconvolve(masked, sfreq=signal.sfreq, settings=settings)
    except DataError as error:
        sentence = f"{error}{_why(shares)}"
        if not np.isfinite(masked).any():
            sentence = (
                f"Nothing of this recording's skin conductance can be used.{_why(shares)} Check the "
                "electrodes' contact, and record again."
            )
        raise UnusableEDA(sentence, signal, device=session.device, started_at=started_at) from None
    constants = None
    if own_constants:
        constants, told = _own_constants(masked, signal.sfreq, settings)
        notes += told
        if constants is not None and not constants.doubts:
            found = deconvolve(masked, sfreq=signal.sfreq, settings=constants.settings)
    if (echo := _echo(found)) > _LARGEST_ECHO:
        notes += (
            f"What neither part explains is no white noise (each sample correlates {echo:.2f} with the "
            "next): the equation lacks something, and the intervals may be too narrow"
            + ("." if own_constants else "; the person's own time constants may explain more."),
        )
    bursts = find_bursts(found, threshold=threshold)
    band = uncertainty(found, bursts, n_refits=n_refits) if n_refits else None
    return EDAAnalysis(
        session.device, started_at, signal, found, bursts, band, constants, shares, (*session.notes, *notes)
    )


def _own_constants(
    eda: NDArray[np.float64], sfreq: float, settings: Convex
) -> tuple[TimeConstants | None, tuple[str, ...]]:
    """The estimate if there is one, and why it is not used if it is not."""
    usual = f"the usual {settings.tau_rise:g} and {settings.tau_decay:g} s were used."
    try:
        constants = estimate_time_constants(eda, sfreq=sfreq, settings=settings)
    except DataError as error:
        return None, (f"No time constants of this person, {usual} {error}",)
    if not constants.doubts:
        return constants, ()
    return constants, (
        f"This person's time constants ({constants.tau_rise:.2g} and {constants.tau_decay:.2g} s) are not to "
        f"be believed, {usual} Reason: {'; '.join(constants.doubts)}.",
    )


def _echo(found: Deconvolution) -> float:
    """Correlation of the residual with itself a sample later."""
    x = found.residual - np.nanmean(found.residual)
    pairs = x[1:] * x[:-1]
    return float(np.nanmean(pairs) / np.nanvar(x)) if np.nanvar(x) > 0 and np.isfinite(pairs).any() else 0.0


def checked_options(*, threshold: float, n_refits: int) -> None:
    """Refuse what `analyse_eda` could not use, before a file is read.

    Parameters
    ----------
    threshold : float
        Smallest response in microsiemens.
    n_refits : int
        Of the bootstrap.

    Raises
    ------
    DataError
        If the threshold is not above 0, or there are some refits but fewer than intervals take.

    Examples
    --------
    >>> checked_options(threshold=0.05, n_refits=50)
    >>> checked_options(threshold=0.05, n_refits=5)
    Traceback (most recent call last):
    physioaffect.errors.DataError: Intervals take 10 refits or more (0: none), got 5.
    """
    if not 0 < threshold < np.inf:
        raise DataError(f"The threshold must be above 0 uS, got {threshold:g}.")
    if 0 < n_refits < _FEWEST_REFITS:
        raise DataError(f"Intervals take {_FEWEST_REFITS} refits or more (0: none), got {n_refits}.")


def _signal_of(session: DeviceSession) -> tuple[Signal, tuple[str, ...]]:
    known = {name: one for name, one in session.signals.items() if isinstance(one, Signal)}
    named = [name for name, one in known.items() if one.kind == "eda" and one.n_times]
    if not named:
        raise DataError(
            f"The recording of {session.device} has no skin conductance; it has "
            f"{', '.join(sorted(known)) or 'no signal'}. Give one with a signal of the kind eda."
        )
    eda = known[named[0]]
    notes: tuple[str, ...] = ()
    if not eda.sfreq >= _SLOWEST_HZ:
        raise DataError(
            f"Skin conductance sampled at {eda.sfreq:g} Hz cannot be taken apart: a response rises within a "
            "second or two. Use the original recording."
        )
    if eda.n_channels > 1 or len(named) > 1:
        notes = (f"Of several channels of skin conductance, {eda.ch_names[0]} of {named[0]} was used.",)
        eda = eda.pick(eda.ch_names[:1])
    if looks_wrong := unit_notes(eda):
        raise DataError(looks_wrong[0])
    present = eda.data[np.isfinite(eda.data)]
    if present.size and present.min() == present.max():
        raise DataError(
            f"Skin conductance is {present.min():g} uS throughout: the sensor was not on the skin, or its "
            "range was left. Leave this recording out."
        )
    return eda, notes


def _why(shares: dict[str, float]) -> str:
    if not shares:
        return ""
    reasons = ", ".join(
        f"{share:.0%} {_CLAUSES[reason]}"
        for reason, share in sorted(shares.items(), key=lambda item: -item[1])
        if share >= 0.005
    )
    return f" Of the recording, {reasons}." if reasons else ""


# Each goes on after a share, as in: 3 % is missing.
_CLAUSES = {
    "off_body": "is from a sensor that was not worn",
    "clipped": "is at the end of the sensor's range",
    "flat": "does not change",
    "motion": "was disturbed by movement",
    "gap": "is missing",
    "settling": "is from before the electrodes had settled",
    "out_of_range": "is outside of what skin conducts (poor contact below 0.05 uS)",
}
