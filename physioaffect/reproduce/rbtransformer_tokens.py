"""RBTransformer's tokens: band entropies of standardised windows less those of the rest before the trial."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.signal import butter, lfilter

from physioaffect.errors import DataError
from physioaffect.features import RBTRANSFORMER_PAPER_BANDS, Bands
from physioaffect.features.bands import check_below_nyquist
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals, gather

__all__ = ["RBTransformerTokens"]

_ORDER = 5
_CHUNK = 1.0


@dataclass(frozen=True, kw_only=True)
class RBTransformerTokens:
    """Band differential entropies as RBTransformer was fed with them.

    ``0.5 log2(2 pi e Var(b * z))`` of each window, with z the window standardised by itself and b a causal
    Butterworth band-pass of order 5 that starts from nothing in every window; less the same of the rest, of
    which the mean waveform of its whole seconds is taken.

    Parameters
    ----------
    norm : {"per_channel", "global"}
        Mean and standard deviation (1/n) of each channel (paper), or of all channels and samples of the
        window together (code).
    bands : Bands
        `physioaffect.features.RBTRANSFORMER_PAPER_BANDS`, or ``RBTRANSFORMER_BANDS`` of the code.
    subtracts_rest : bool
        Whether the tokens of the rest are subtracted; SEED has none.

    Raises
    ------
    ValueError
        If there is no such norm.

    Notes
    -----
    arXiv 2511.13954 and the code beside it. Their windows are of 512 samples, every 117:
    ``Windowing(duration=4, step=117 / 128)`` at 128 Hz. Their code designs the filter for 128 Hz also where
    the rate is another one; here bands are where they say.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(2, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="au")
    >>> rest = {"eeg": eeg.crop(0, 3)}
    >>> trial = Trial(
    ...     dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg}, baseline=rest
    ... )
    >>> RBTransformerTokens()(trial, Intervals(np.array([0.0, 4.0]), 4.0)).shape
    (2, 2, 4)
    """

    name: ClassVar[str] = "tokens"
    version: ClassVar[int] = 1

    norm: Literal["per_channel", "global"] = "per_channel"
    bands: Bands = RBTRANSFORMER_PAPER_BANDS
    subtracts_rest: bool = True

    def __post_init__(self) -> None:
        if self.norm not in ("per_channel", "global"):
            raise ValueError(f"Tokens are standardised per_channel or global, got norm={self.norm!r}.")

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return ("eeg",)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the tokens of one trial.

        Returns
        -------
        tokens : xarray.DataArray, dimensions ("window", "channel", "band")
            In bits. NaN where a window or the rest has a missing or flagged sample, or does not vary.

        Raises
        ------
        DataError
            If the trial lacks EEG, or less than a second of rest is there to be subtracted.
        ProtocolError
            If a band reaches the Nyquist frequency.
        """
        eeg = trial.signal("eeg")
        check_below_nyquist(self.bands, sfreq=eeg.sfreq)
        windows = gather(eeg, intervals).astype(np.float64)
        tokens = self._tokens(windows, eeg.sfreq)
        if self.subtracts_rest:
            tokens = tokens - self._tokens(self._mean_second(trial, eeg)[np.newaxis], eeg.sfreq)
        return xr.DataArray(
            tokens,
            dims=("window", "channel", "band"),
            coords={"channel": list(eeg.ch_names), "band": list(self.bands.names)},
            attrs={
                "unit": "bit",
                "signal_unit": "1",
                "band_edges_hz": [list(edges) for edges in self.bands.edges],
                "estimator": f"causal Butterworth of order {_ORDER} in each window, {self.norm} z-score",
            },
        )

    def _mean_second(self, trial: Trial, eeg: Signal) -> NDArray[np.float64]:
        """Mean waveform of the whole seconds of the rest, shape (n_channels, n_times)."""
        rest = (trial.baseline or {}).get("eeg")
        n_times = round(_CHUNK * eeg.sfreq)
        if not isinstance(rest, Signal) or rest.n_times < n_times:
            raise DataError(
                f"Subject {trial.subject}, trial {trial.trial} of {trial.dataset} has no second of rest "
                "before it, which these tokens subtract. Use subtracts_rest=False."
            )
        n_chunks = rest.n_times // n_times
        chunks = rest.masked[:, : n_chunks * n_times].astype(np.float64)
        mean: NDArray[np.float64] = chunks.reshape(rest.n_channels, n_chunks, n_times).mean(axis=1)
        return mean

    def _tokens(self, x: NDArray[np.float64], sfreq: float) -> NDArray[np.float64]:
        """Entropies, (n_windows, n_channels, n_times) -> (n_windows, n_channels, n_bands)."""
        axes = (-1,) if self.norm == "per_channel" else (-2, -1)
        spread = x.std(axis=axes, keepdims=True)
        z = (x - x.mean(axis=axes, keepdims=True)) / np.where(spread > 0, spread, np.nan)
        variances = []
        for low, high in self.bands.edges:
            b, a = butter(_ORDER, (low, high), btype="bandpass", fs=sfreq)
            variances.append(lfilter(b, a, z, axis=-1).var(axis=-1))
        variance = np.stack(variances, axis=-1)
        variance = np.where(variance > 0, variance, np.nan)
        return np.asarray(0.5 * np.log2(2 * math.pi * math.e * variance))
