"""Differences between the two halves of the head, and between its front and its back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import ProtocolError
from physioaffect.features.differential_entropy import DifferentialEntropy
from physioaffect.montage import frontal_posterior_pairs, mirror_pairs
from physioaffect.recording import Trial
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.windows import Intervals

__all__ = ["ASM", "DASM", "DCAU", "RASM", "rational_asymmetry"]

# The publications have entropies of microvolts.
_MICROVOLTS = 1e6


def rational_asymmetry(
    left: NDArray[np.floating[Any]], right: NDArray[np.floating[Any]], *, smallest: float
) -> NDArray[np.float64]:
    """Ratio of two entropies, ``left / right``, where the ratio means something.

    Parameters
    ----------
    left, right : ndarray, shape (...)
        Entropies in one unit.
    smallest : float
        Smallest size of ``right`` in that unit, above 0.

    Returns
    -------
    ratio : ndarray, shape (...)
        NaN where ``right`` is smaller in size, or either is NaN.

    Raises
    ------
    ValueError
        If ``smallest`` is not above 0.

    Notes
    -----
    Zheng & Lu 2015, doi 10.1109/TAMD.2015.2431497, who divide always. An entropy goes through zero where the
    band's variance is 0.0585 of the unit's square; beside it, the ratio's size and sign are chance.

    Examples
    --------
    >>> rational_asymmetry(np.array([3.0, 3.0]), np.array([2.0, 0.01]), smallest=0.25)
    array([1.5, nan])
    """
    _check_smallest(smallest)
    ratio = np.full(np.broadcast_shapes(left.shape, right.shape), np.nan)
    np.divide(left, right, out=ratio, where=np.abs(right) >= smallest)
    return ratio


def _check_smallest(smallest: float) -> None:
    if not smallest > 0:
        raise ValueError(f"The smallest denominator must be above 0, got {smallest}.")


class _Sides(NamedTuple):
    """Entropies of the first and of the second electrode of each pair, (n_windows, n_pairs, n_bands)."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    pairs: list[str]
    entropy: xr.DataArray

    def labelled(
        self, values: NDArray[np.float64], *dims: str, **attributes: str | float | list[str]
    ) -> xr.DataArray:
        """Name the pairs, along the last dimension but one, and the bands."""
        return xr.DataArray(
            values,
            dims=("window", *dims, "band"),
            coords={dims[-1]: self.pairs, "band": self.entropy.indexes["band"].to_list()},
            attrs=self.entropy.attrs | attributes,
        )


def _sides(
    entropy: DifferentialEntropy,
    trial: Trial,
    intervals: Intervals,
    find: Callable[[Sequence[str]], tuple[tuple[str, str], ...]],
) -> _Sides:
    signal = trial.signal(entropy.signal)
    check_scale(signal, where=f"The EEG of subject {trial.subject}, trial {trial.trial}")
    pairs = find(signal.ch_names)
    if not pairs:
        raise ProtocolError(
            f"No two electrodes of {', '.join(signal.ch_names)} make a pair of left and right, or of front "
            "and back. Leave this feature out, or record electrodes such as F3 with F4, or F3 with P3."
        )
    everything = entropy(trial, intervals)
    rows = np.array([[signal.ch_names.index(name) for name in pair] for pair in pairs]).T
    first, second = (everything.values[:, row] for row in rows)
    return _Sides(first, second, [f"{one}-{other}" for one, other in pairs], everything)


@dataclass(frozen=True, kw_only=True)
class _OfEntropies:
    """What is computed from the entropies of all electrodes."""

    entropy: DifferentialEntropy = field(default_factory=DifferentialEntropy)

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return self.entropy.signals


def _ratio(sides: _Sides, family: RASM | ASM, trial: Trial) -> NDArray[np.float64]:
    """Ratio of entropies relative to a microvolt, or to the signal's own unit if that is not the volt."""
    nats = math.log(family.entropy.log_base)
    is_volts = trial.signal(family.entropy.signal).unit == "V"
    shift = math.log(_MICROVOLTS) / nats if is_volts else 0.0
    return rational_asymmetry(sides.first + shift, sides.second + shift, smallest=family.smallest / nats)


@dataclass(frozen=True, kw_only=True)
class DASM(_OfEntropies):
    """Differential asymmetry: entropy of a left electrode minus that of its mirror image.

    Parameters
    ----------
    entropy : DifferentialEntropy
        Signal, bands, estimator and base of the logarithm.

    Notes
    -----
    Zheng & Lu 2015, doi 10.1109/TAMD.2015.2431497: 27 pairs of SEED's 62 electrodes (`mirror_pairs`). It does
    not depend on the unit or on a gain common to both electrodes. NaN where either electrode is.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> noise = 1e-5 * np.random.default_rng(0).normal(size=(3, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "Oz", "O2"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> asymmetry = DASM()(trial, Intervals(np.arange(0.0, 10.0, 2.0), 2.0))
    >>> asymmetry.dims, asymmetry.shape
    (('window', 'mirror_pair', 'band'), (5, 1, 5))
    """

    name: ClassVar[str] = "dasm"
    version: ClassVar[int] = 1

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the asymmetries of one trial.

        Returns
        -------
        asymmetry : xarray.DataArray, dimensions ("window", "mirror_pair", "band")
            In nats or bits as the entropies, of whose attributes it has all.

        Raises
        ------
        DataError
            If the trial lacks the signal, or an electrode's name is unknown.
        ProtocolError
            If there is no pair, or a band cannot be measured.
        """
        sides = _sides(self.entropy, trial, intervals, mirror_pairs)
        return sides.labelled(sides.first - sides.second, "mirror_pair", formula="DE(left) - DE(right)")


@dataclass(frozen=True, kw_only=True)
class RASM(_OfEntropies):
    """Rational asymmetry: entropy of a left electrode divided by that of its mirror image.

    Parameters
    ----------
    entropy : DifferentialEntropy
        Signal, bands and estimator; the base of the logarithm cancels.
    smallest : float
        The ratio is NaN where the right entropy is smaller in size, in nats. Default: the scatter of an
        entropy, 1 / (2 sqrt(width in Hz times seconds)), for 4 Hz and 1 s; below it the sign is chance.

    Notes
    -----
    Zheng & Lu 2015, doi 10.1109/TAMD.2015.2431497. A ratio of entropies depends on the unit, unlike their
    difference: here they are relative to a microvolt as in the publications, or to the signal's own unit if
    that is not the volt. Signals that were scaled by their standard deviation have entropies around zero and
    give no stable ratio in any unit; prefer `DASM`.

    Examples
    --------
    >>> RASM(smallest=0.5).entropy.bands.names
    ('delta', 'theta', 'alpha', 'beta', 'gamma')
    """

    name: ClassVar[str] = "rasm"
    version: ClassVar[int] = 1

    smallest: float = 0.25

    def __post_init__(self) -> None:
        _check_smallest(self.smallest)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the ratios of one trial; dimensions and errors as those of `DASM`."""
        sides = _sides(self.entropy, trial, intervals, mirror_pairs)
        return sides.labelled(
            _ratio(sides, self, trial),
            "mirror_pair",
            unit="1",
            formula="DE(left) / DE(right)",
            smallest=self.smallest,
        )


@dataclass(frozen=True, kw_only=True)
class ASM(_OfEntropies):
    """`DASM` and `RASM` together, in this order along the dimension ``asymmetry``.

    Parameters
    ----------
    entropy, smallest
        As in `RASM`.

    Notes
    -----
    Zheng & Lu 2015, doi 10.1109/TAMD.2015.2431497: 270 values of SEED's 62 electrodes.

    Examples
    --------
    >>> ASM().signals
    ('eeg',)
    """

    name: ClassVar[str] = "asm"
    version: ClassVar[int] = 1

    smallest: float = 0.25

    def __post_init__(self) -> None:
        _check_smallest(self.smallest)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute both; dimensions ("window", "asymmetry", "mirror_pair", "band"), errors as in `DASM`."""
        sides = _sides(self.entropy, trial, intervals, mirror_pairs)
        both = np.stack([sides.first - sides.second, _ratio(sides, self, trial)], axis=1)
        units = [str(sides.entropy.attrs["unit"]), "1"]
        stacked = sides.labelled(both, "asymmetry", "mirror_pair", unit=units, smallest=self.smallest)
        return stacked.assign_coords(asymmetry=["difference", "ratio"])


@dataclass(frozen=True, kw_only=True)
class DCAU(_OfEntropies):
    """Differential caudality: entropy of a frontal electrode minus that of the posterior one it goes with.

    Parameters
    ----------
    entropy : DifferentialEntropy
        Signal, bands, estimator and base of the logarithm.

    Notes
    -----
    Zheng & Lu 2015, doi 10.1109/TAMD.2015.2431497: 23 pairs of SEED's 62 electrodes
    (`frontal_posterior_pairs`). NaN where either electrode is.

    Examples
    --------
    >>> DCAU().name
    'dcau'
    """

    name: ClassVar[str] = "dcau"
    version: ClassVar[int] = 1

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the differences; dimensions ("window", "caudal_pair", "band"), errors as in `DASM`."""
        sides = _sides(self.entropy, trial, intervals, frontal_posterior_pairs)
        return sides.labelled(
            sides.first - sides.second, "caudal_pair", formula="DE(frontal) - DE(posterior)"
        )
