"""Alpha asymmetry of the forehead, the score of affective neuroscience."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import xarray as xr

from physioaffect.errors import ProtocolError
from physioaffect.features.bands import Bands
from physioaffect.features.differential_entropy import DifferentialEntropy
from physioaffect.montage import canonical_name, mirror_pairs
from physioaffect.recording import Trial
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.windows import Intervals

__all__ = ["FrontalAlphaAsymmetry"]


def _label(pair: tuple[str, str]) -> str:
    return "-".join(map(canonical_name, pair))


@dataclass(frozen=True, kw_only=True)
class FrontalAlphaAsymmetry:
    """Alpha power at the right minus that at the left of the forehead, as natural logarithms.

    Parameters
    ----------
    signal : str
        Name of the trial's signal.
    pairs : tuple of (left, right)
        Names of electrodes, in any spelling.
    fmin, fmax : float
        Edges of the alpha band in Hz.
    frame : float, optional
        Seconds; power is the mean over Hann-windowed frames of this length that overlap by half or more
        (Welch). None takes each window as one frame.

    Notes
    -----
    Smith, Reznik, Stewart & Allen 2017, doi 10.1016/j.ijpsycho.2016.11.005: ln(right) - ln(left), positive
    where the left has less alpha, read as more activity of the left frontal cortex. Mind the sign: ``DASM``
    is left minus right, and of entropies, which change half as much as logarithms of power do. The score
    depends on the reference, which is to be chosen in the cleaning before.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> noise = 1e-5 * np.random.default_rng(0).normal(size=(2, 1280))
    >>> noise[1] *= 2
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("F3", "F4"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> score = FrontalAlphaAsymmetry()(trial, Intervals(np.zeros(1), 10.0))
    >>> bool(abs(score.item() - 2 * np.log(2)) < 0.5)
    True
    """

    name: ClassVar[str] = "faa"
    version: ClassVar[int] = 1
    made_of: ClassVar[tuple[type, ...]] = (DifferentialEntropy,)

    signal: str = "eeg"
    pairs: tuple[tuple[str, str], ...] = (("F3", "F4"),)
    fmin: float = 8.0
    fmax: float = 13.0
    frame: float | None = 2.0

    def __post_init__(self) -> None:
        is_pairs = all(len(pair) == 2 for pair in self.pairs)
        if not self.pairs or not is_pairs or len({_label(pair) for pair in self.pairs}) < len(self.pairs):
            raise ValueError(f"pairs must be different (left, right) such as ('F3', 'F4'), got {self.pairs}.")
        self._entropy()  # Checks the band and the frame.

    def _entropy(self) -> DifferentialEntropy:
        bands = Bands.of(alpha=(self.fmin, self.fmax))
        return DifferentialEntropy(signal=self.signal, bands=bands, estimator="stft", frame=self.frame)

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return (self.signal,)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the scores of one trial.

        Returns
        -------
        score : xarray.DataArray, dimensions ("window", "frontal_pair")
            NaN where either electrode is flat or lacks samples.

        Raises
        ------
        DataError
            If the trial lacks the signal, or an electrode's name is unknown.
        ProtocolError
            If a pair is not there, or the band cannot be measured.
        """
        signal = trial.signal(self.signal)
        check_scale(signal, where=f"The EEG of subject {trial.subject}, trial {trial.trial}")
        there = {_label(pair): pair for pair in mirror_pairs(signal.ch_names)}
        wanted = [_label(pair) for pair in self.pairs]
        if lacking := [label for label in wanted if label not in there]:
            raise ProtocolError(
                f"The EEG has no pair of a left and a right electrode {', '.join(lacking)}; it has "
                f"{', '.join(there) or 'none'}. Choose pairs=((left, right), ...) among them."
            )
        left, right = ([there[label][side] for label in wanted] for side in (0, 1))
        picked = signal.pick(list(dict.fromkeys([*left, *right])))
        entropy = self._entropy()(replace(trial, signals={**trial.signals, self.signal: picked}), intervals)
        rows_left, rows_right = ([picked.ch_names.index(name) for name in side] for side in (left, right))
        return xr.DataArray(
            # The entropy is half the logarithm of the power, and a constant.
            2 * (entropy.values[:, rows_right, 0] - entropy.values[:, rows_left, 0]),
            dims=("window", "frontal_pair"),
            coords={"frontal_pair": [f"{one}-{other}" for one, other in zip(left, right, strict=True)]},
            attrs=entropy.attrs | {"unit": "1", "formula": "ln P(right) - ln P(left)", "estimator": "welch"},
        )
