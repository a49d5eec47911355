"""What `stft` and `filter_bank` compute, through torch on any of its devices.

In double precision throughout: most of the time goes into moving the samples, and the numbers are then those
of the processor to 1e-9 nats, so that nobody has to ask where a feature was computed. Nothing here sums in an
order that changes from run to run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor

from physioaffect.features.bands import Bands, band_bins, check_below_nyquist
from physioaffect.features.filter_bank import BandFilter, Sections, _padding, is_whole
from physioaffect.features.tapers import TAPERS, Taper
from physioaffect.signals.gaps import bridge

__all__ = ["band_variance_filtered", "band_variance_frames"]

Floats = NDArray[np.floating[Any]]

# Numbers of an array on the device: 128 MB each, of which there are about six at a time.
_ROOM = 2**24
# Share of its height at which a filter's response has died away.
_FORGOTTEN = 1e-15


def band_variance_frames(  # noqa: PLR0913  Those of its counterpart, and where.
    X: Floats,
    first: NDArray[np.intp],
    n_samples: int,
    *,
    sfreq: float,
    bands: Bands,
    frame: float | None = None,
    taper: Taper = "hann",
    device: str,
) -> NDArray[np.float64]:
    """Do what `stft.band_variance_frames` does on a device of torch."""
    check_below_nyquist(bands, sfreq=sfreq)
    n_times = n_samples if frame is None else min(n_samples, round(frame * sfreq))
    bins = band_bins(bands, duration=n_times / sfreq, otherwise="a wider band, or the estimator 'bandpass'")
    n_frames = 1 + -(-2 * (n_samples - n_times) // n_times)
    inside = np.rint(np.linspace(0, n_samples - n_times, n_frames)).astype(np.intp)
    starts, place = np.unique(first[:, np.newaxis] + inside, return_inverse=True)
    rows = X.reshape(math.prod(X.shape[:-1]), X.shape[-1])
    variance = np.full((len(starts), len(rows), len(bands)), np.nan)
    is_inside = (starts >= 0) & (starts + n_times <= rows.shape[1])
    if is_inside.any():
        chosen = torch.tensor(starts[is_inside], device=device)
        weights = torch.tensor(TAPERS[taper](n_times).copy(), device=device)
        for block in _blocks(len(rows), len(starts) * n_times):
            x = _put(rows[block], device).unfold(-1, n_times, 1)[:, chosen]
            # The first sample goes before the mean: then flat frames become exactly zero, at any offset.
            x -= x[..., :1].clone()
            x -= x.mean(dim=-1, keepdim=True)
            spectrum = torch.fft.rfft(x * weights)
            power = 2 / (n_times * weights.square().sum()) * (spectrum.real.square() + spectrum.imag.square())
            in_bands = torch.stack([power[..., slice(*edges)].sum(dim=-1) for edges in bins], dim=-1)
            variance[is_inside, block] = in_bands.transpose(0, 1).cpu().numpy()
    windows = variance[place.reshape(-1, n_frames)].mean(axis=1)
    shaped: NDArray[np.float64] = windows.reshape(len(first), *X.shape[:-1], len(bands))
    return shaped


def band_variance_filtered(
    X: Floats,
    first: NDArray[np.intp],
    n_samples: int,
    *,
    sfreq: float,
    bands: Bands,
    band_filter: BandFilter = BandFilter(),
    device: str,
) -> NDArray[np.float64]:
    """Do what `filter_bank.band_variance_filtered` does on a device of torch.

    A recursion has no place there. Its response is as long as it takes to die away, so the fast Fourier
    transform of enough zeros behind the recording applies it whole.
    """
    n_times = X.shape[-1]
    rows = X.reshape(math.prod(X.shape[:-1]), n_times)
    filters = [band_filter.sections(band, sfreq=sfreq) for band in bands]
    n_pad = [_padding(band, band_filter, n_times=n_times, sfreq=sfreq) for band in bands]
    # Windows that lie outside hold nothing, wherever it is.
    places = torch.tensor(np.clip(first, -n_samples, n_times) + n_samples, device=device)
    variance = np.empty((len(first), len(rows), len(bands)))
    for block in _blocks(len(rows), max(n_times + 2 * max(n_pad), len(first) * n_samples)):
        x, weight = _bridged(rows[block], device)
        if band_filter.start == "steady":
            x -= x[:, :1].clone()
        count = _cut(weight, places, n_samples).sum(dim=-1)
        for band, sections in enumerate(filters):
            if band_filter.phase == "zero":
                y = _both_ways(x, sections, n_pad[band])
            else:
                y = _filtered(x, sections)
            y = _cut(y * weight, places, n_samples)
            mean, square = y.sum(dim=-1) / count, y.square().sum(dim=-1) / count
            found = torch.where(count > 1, (square - mean.square()).clamp(min=0), torch.nan)
            variance[:, block, band] = found.T.cpu().numpy()
    return variance.reshape(len(first), *X.shape[:-1], len(bands))


def _blocks(n_rows: int, n_each: int) -> Iterator[slice]:
    """Rows that fit on the device together if each takes so many numbers."""
    n_at_once = max(1, _ROOM // max(1, n_each))
    return (slice(start, start + n_at_once) for start in range(0, n_rows, n_at_once))


def _put(x: Floats, device: str) -> Tensor:
    """Move a copy as narrow as it is, and widen it there."""
    # Torch knows no order of bytes but the processor's.
    return torch.tensor(x.astype(x.dtype.newbyteorder("="), copy=False)).to(device).to(torch.float64)


def _bridged(x: Floats, device: str) -> tuple[Tensor, Tensor]:
    """Samples with gaps bridged, and 1 where there was one or 0, shape (n_channels or 1, n_times)."""
    if is_whole(x):
        return _put(x, device), torch.ones(1, x.shape[1], dtype=torch.float64, device=device)
    is_present = np.isfinite(x)
    return _put(bridge(x.astype(np.float64), ~is_present), device), _put(
        is_present.astype(np.float32), device
    )


def _both_ways(x: Tensor, sections: Sections, n_pad: int) -> Tensor:
    """Filter forwards and backwards, with both ends mirrored and each way begun in the steady state."""
    y = torch.cat([x[:, 1 : n_pad + 1].flip(-1), x, x[:, -n_pad - 1 : -1].flip(-1)], dim=-1)
    for _ in range(2):
        y = _filtered(y - y[:, :1], sections).flip(-1)
    return y[:, n_pad : n_pad + x.shape[1]]


def _filtered(x: Tensor, sections: Sections) -> Tensor:
    """Filter forwards from rest."""
    n_times = x.shape[-1]
    n = int(next_fast_len(n_times + _memory(sections), real=True))
    response = _response(sections, n, x.device)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(x, n=n) * response, n=n)[..., :n_times]
    return filtered


def _memory(sections: Sections) -> int:
    """Samples after which the response has died away, from the slowest pole."""
    poles = [np.roots([1, a1, a2]) for a1, a2 in zip(sections.a1, sections.a2, strict=True)]
    return math.ceil(math.log(_FORGOTTEN) / math.log(np.abs(poles).max()))


def _response(sections: Sections, n: int, device: torch.device) -> Tensor:
    """Frequency response at the bins of a real DFT of ``n`` samples."""
    angle = -2 * math.pi / n * torch.arange(n // 2 + 1, dtype=torch.float64, device=device)
    back = torch.polar(torch.ones_like(angle), angle)  # One sample back.
    response = torch.full_like(back, sections.gain)
    for a1, a2 in zip(sections.a1.tolist(), sections.a2.tolist(), strict=True):
        response *= (1 - back * back) / (1 + a1 * back + a2 * back * back)
    return response


def _cut(x: Tensor, places: Tensor, n_samples: int) -> Tensor:
    """Cut windows, shape (n_channels, n_windows, n_samples), with zeros outside."""
    return torch.nn.functional.pad(x, (n_samples, n_samples)).unfold(-1, n_samples, 1)[:, places]
