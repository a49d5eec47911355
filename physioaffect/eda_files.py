"""What `analyse_eda` found, as tables, as files and as a figure."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.eda_analysis import EDAAnalysis, UnusableEDA
from physioaffect.recording import Flag, Signal
from physioaffect.signals.quality import REASONS

__all__ = ["burst_table", "sample_table", "summary", "write_eda", "write_refused"]


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
    found, band = analysis.found, analysis.band
    used = found.is_present
    table = _recorded(analysis.signal, analysis.started_at, used)
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


def _recorded(signal: Signal, started_at: datetime | None, used: NDArray[np.bool_]) -> pd.DataFrame:
    """What was recorded when, whether it was used, and if not, why."""
    table = pd.DataFrame({"time_s": np.arange(signal.n_times) / signal.sfreq})
    if started_at is not None:
        table["utc"] = _clock(started_at, table["time_s"].to_numpy())
    table["eda_uS"], table["is_used"] = signal.data[0].astype(np.float64), used
    table["reason"] = _reasons(signal)
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
            "are_own": analysis.are_own,
            "estimate": None
            if own is None
            else {
                "tau_rise_s": own.tau_rise,
                "tau_decay_s": own.tau_decay,
                "rise_interval_s": list(own.rise_interval),
                "decay_interval_s": list(own.decay_interval),
                "n_bursts": own.n_bursts,
                "doubts": list(own.doubts),
            },
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
        files |= _saved(figure, out)
    return files


def write_refused(refused: UnusableEDA, out: Path, *, plot: bool = False) -> dict[str, Path]:
    """Write what a recording holds of which too little is left, and why each sample was not used.

    Parameters
    ----------
    refused : UnusableEDA
        As `analyse_eda` raises it.
    out : path
        A folder; it is made if need be.
    plot : bool
        Whether to draw it, with a row for each reason: ``eda.png`` and ``eda.pdf``.

    Returns
    -------
    dict of str to path
        ``samples.parquet``, without parts, since there are none; and the figure.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = {"samples": out / "samples.parquet"}
    signal = refused.signal
    is_used = np.zeros(signal.n_times, dtype=np.bool_)
    _recorded(signal, refused.started_at, is_used).to_parquet(files["samples"], index=False)
    if plot:
        from physioaffect.eda_plots import plot_eda_masks  # noqa: PLC0415

        files |= _saved(plot_eda_masks(signal, title=f"{refused.device}: refused, too little is left"), out)
    return files


def _saved(figure: Any, out: Path) -> dict[str, Path]:
    files = {kind: out / f"eda.{kind}" for kind in ("png", "pdf")}
    for path in files.values():
        figure.savefig(path, dpi=150)
    return files


def _title(analysis: EDAAnalysis) -> str:
    settings = analysis.found.settings
    own = "own" if analysis.are_own else "usual"
    begun = "" if analysis.started_at is None else f", {analysis.started_at:%Y-%m-%d %H:%M} UTC"
    n_seen = int(analysis.bursts.is_seen.sum())
    is_doubted = analysis.constants is not None and not analysis.are_own
    doubted = "\nIts own time constants are not to be believed: settings.json says why" if is_doubted else ""
    return (
        f"{analysis.device}{begun}: {analysis.coverage:.0%} used, {n_seen} responses, "
        f"{own} time constants {settings.tau_rise:.2g} and {settings.tau_decay:.2g} s"
        f"{doubted}"
    )
