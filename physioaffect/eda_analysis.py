"""One recording of skin conductance from a device's file to bursts and parts, each with its uncertainty."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

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
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.signals.quality import REASONS, MarkQuality, quality_summary, unit_notes
from physioaffect.signals.resampling import resampled_signal

__all__ = [
    "EDAAnalysis",
    "analyse_eda",
    "burst_table",
    "checked_options",
    "sample_table",
    "summary",
    "write_eda",
]

_SLOWEST_HZ = 1.0
_FEWEST_REFITS = 10
_LARGEST_ECHO = 0.5


class EDAAnalysis(NamedTuple):
    """What `analyse_eda` found.

    ``signal`` is the skin conductance with its flags at the rate at which it was taken apart; times count
    from its first sample, whose UTC time is ``started_at`` (None if the file does not tell it). ``band`` is
    None if no intervals were asked for, ``constants`` if the usual time constants were used. ``shares`` is
    the share of samples with each reason.
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
        Whether to estimate the person's time constants first.
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
        If there is no skin conductance, its unit is not known or looks wrong, its rate is below 1 Hz, or
        fewer than 30 s are left of it. The message says why the rest was masked.
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
    masked = np.asarray(signal.masked[0], dtype=np.float64)
    try:
        found = deconvolve(masked, sfreq=signal.sfreq, settings=settings)
    except DataError as error:
        if not np.isfinite(masked).any():
            raise DataError(
                f"Nothing of this recording's skin conductance can be used.{_why(shares)} Check the "
                "electrodes' contact, and record again."
            ) from None
        raise DataError(f"{error}{_why(shares)}") from None
    constants = None
    if own_constants:
        constants = estimate_time_constants(masked, sfreq=signal.sfreq, settings=settings)
        found = deconvolve(masked, sfreq=signal.sfreq, settings=constants.settings)
    if (echo := _echo(found)) > _LARGEST_ECHO:
        notes += (
            f"What neither part explains is no white noise (each sample correlates {echo:.2f} with the "
            "next): the equation lacks something, and the intervals may be too narrow"
            + ("." if own_constants else "; the person's own time constants may explain more."),
        )
    bursts = find_bursts(found, threshold=threshold)
    band = uncertainty(found, bursts, n_refits=n_refits) if n_refits else None
    started_at = session.started_at
    if started_at is not None and signal.start:
        started_at += pd.Timedelta(seconds=signal.start).to_pytimedelta()
    return EDAAnalysis(
        session.device, started_at, signal, found, bursts, band, constants, shares, (*session.notes, *notes)
    )


def _echo(found: Deconvolution) -> float:
    """Correlation of the residual with itself a sample later."""
    x = found.residual - np.nanmean(found.residual)
    pairs = x[1:] * x[:-1]
    return float(np.nanmean(pairs) / np.nanvar(x)) if np.nanvar(x) > 0 and np.isfinite(pairs).any() else 0.0


def checked_options(*, threshold: float, n_refits: int) -> None:
    """Refuse what `analyse_eda` could not use, before a file is read."""
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
        f"{share:.0%} {_WORDS[reason]}"
        for reason, share in sorted(shares.items(), key=lambda item: -item[1])
        if share >= 0.005
    )
    return f" Of the recording, {reasons}." if reasons else ""


_WORDS = {
    "off_body": "is from a sensor that was not worn",
    "clipped": "is at the end of the sensor's range",
    "flat": "does not change",
    "motion": "was disturbed by movement",
    "gap": "is missing",
    "settling": "is from before the electrodes had settled",
    "out_of_range": "is outside of what skin conducts (poor contact below 0.05 uS)",
}


def burst_table(analysis: EDAAnalysis) -> pd.DataFrame:
    """One row for each burst; times in seconds from the first sample, and in UTC if that is known."""
    bursts, band = analysis.bursts, analysis.band
    table = pd.DataFrame(
        {
            "burst_s": bursts.times,
            "peak_s": bursts.peak_times,
            "amplitude_uS": bursts.amplitudes,
            "area_uS_s": bursts.areas,
            "half_recovery_s": bursts.recovery_times,
            "is_seen": bursts.is_seen,
        }
    )
    if band is not None:
        table["burst_low_s"], table["burst_high_s"] = band.time_low, band.time_high
        table["amplitude_low_uS"], table["amplitude_high_uS"] = band.amplitude_low, band.amplitude_high
        table["stability"] = band.stability
    if analysis.started_at is not None:
        for place, name in enumerate(("burst", "peak")):
            table.insert(place, f"{name}_utc", _clock(analysis.started_at, table[f"{name}_s"].to_numpy()))
    return table


def sample_table(analysis: EDAAnalysis) -> pd.DataFrame:
    """One row for each sample; what was masked has its reason, and no parts."""
    found, band, signal = analysis.found, analysis.band, analysis.signal
    used = found.is_present
    table = pd.DataFrame({"time_s": np.arange(len(used)) / found.sfreq})
    if analysis.started_at is not None:
        table["utc"] = _clock(analysis.started_at, table["time_s"].to_numpy())
    table["eda_uS"], table["is_used"] = signal.data[0].astype(np.float64), used
    table["reason"] = _reasons(signal)
    parts: dict[str, NDArray[np.float64]] = {"tonic": found.tonic}
    if band is not None:
        parts |= {"tonic_low": band.tonic_low, "tonic_high": band.tonic_high}
    parts |= {"phasic": found.phasic}
    if band is not None:
        parts |= {"phasic_low": band.phasic_low, "phasic_high": band.phasic_high}
    parts |= {"driver": found.driver, "residual": found.residual}
    for name, values in parts.items():
        table[f"{name}_uS"] = np.where(used, values, np.nan)
    return table


def _reasons(signal: Signal) -> pd.Categorical:
    is_unexplained = ~np.isfinite(signal.data).all(axis=0) & (signal.flags == 0)
    flags = np.where(is_unexplained, np.uint8(Flag.GAP), signal.flags)
    kinds, codes = np.unique(flags, return_inverse=True)
    named = ["+".join(r for r, flag in zip(REASONS, Flag, strict=True) if kind & flag) for kind in kinds]
    return pd.Categorical.from_codes(codes.tolist(), pd.Index(named))


def _clock(started_at: datetime, seconds: NDArray[np.float64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(
        pd.Timestamp(started_at).tz_convert("UTC") + pd.to_timedelta(seconds, unit="s").round("ms")
    )


def summary(analysis: EDAAnalysis) -> dict[str, Any]:
    """What a script may want to know; numbers, texts and None only."""
    found, bursts, own = analysis.found, analysis.bursts, analysis.constants
    minutes = found.is_present.sum() / found.sfreq / 60
    n_seen = int(bursts.is_seen.sum())
    settings = replace(found.settings, scale=found.scale)
    return {
        "device": analysis.device,
        "started_at": None if analysis.started_at is None else analysis.started_at.isoformat(),
        "duration_s": len(found.tonic) / found.sfreq,
        "sfreq_hz": found.sfreq,
        "coverage": analysis.coverage,
        "masked": analysis.shares,
        "tonic_median_uS": float(np.median(found.tonic[found.is_present])),
        "n_bursts_seen": n_seen,
        "bursts_per_minute": n_seen / minutes,
        "amplitude_median_uS": float(np.median(bursts.amplitudes[bursts.is_seen])) if n_seen else None,
        "residual_sd_uS": float(np.nanstd(found.residual)),
        "settings": asdict(settings),
        "time_constants": {
            "tau_rise_s": settings.tau_rise,
            "tau_decay_s": settings.tau_decay,
            "are_own": own is not None,
            "n_bursts": None if own is None else own.n_bursts,
        },
        "solver": {"objective": found.objective, "gap": found.gap, "n_iterations": found.n_iterations},
        "intervals": None
        if analysis.band is None
        else {
            "level": analysis.band.level,
            "n_refits": analysis.band.n_refits,
            "noise_uS": analysis.band.noise,
        },
        "notes": list(analysis.notes),
    }


def write_eda(analysis: EDAAnalysis, out: Path, *, plot: bool = False) -> dict[str, Path]:
    """Write ``bursts.csv``, ``samples.parquet``, ``settings.json`` and, if asked for, the figure.

    Parameters
    ----------
    analysis : EDAAnalysis
        What to write.
    out : path
        A folder; it is made if need be.
    plot : bool
        Whether to draw the figure, ``eda.png`` and ``eda.pdf``.

    Returns
    -------
    dict of str to path
        The files.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "bursts": out / "bursts.csv",
        "samples": out / "samples.parquet",
        "settings": out / "settings.json",
    }
    burst_table(analysis).round(6).to_csv(files["bursts"], index=False)
    sample_table(analysis).to_parquet(files["samples"], index=False)
    files["settings"].write_text(json.dumps(summary(analysis), indent=2, allow_nan=False) + "\n")
    if plot:
        from physioaffect.eda_plots import plot_eda  # noqa: PLC0415

        figure = plot_eda(
            analysis.found,
            bursts=analysis.bursts,
            band=analysis.band,
            signal=analysis.signal,
            title=_title(analysis),
        )
        for kind in ("png", "pdf"):
            files[kind] = out / f"eda.{kind}"
            figure.savefig(files[kind], dpi=150)
    return files


def _title(analysis: EDAAnalysis) -> str:
    settings = analysis.found.settings
    own = "own" if analysis.constants is not None else "usual"
    begun = "" if analysis.started_at is None else f", {analysis.started_at:%Y-%m-%d %H:%M} UTC"
    n_seen = int(analysis.bursts.is_seen.sum())
    return (
        f"{analysis.device}{begun}: {analysis.coverage:.0%} used, {n_seen} responses, "
        f"{own} time constants {settings.tau_rise:.2g} and {settings.tau_decay:.2g} s"
    )
