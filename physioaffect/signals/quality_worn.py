"""Whether a wristband is worn, from what its sensors say together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError
from physioaffect.recording import Signal
from physioaffect.signals.quality_local import Mask, lasting, moving_mean, runs, spread

__all__ = ["OffBodyRules", "PerSecond", "SecondBySecond", "off_body", "per_second", "returns"]

Array = NDArray[np.floating[Any]]

_MOST_SECONDS = 400 * 24 * 3600
_SLACK = 1e-6
_MINUTE = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class OffBodyRules:
    """When a wristband counts as not worn. All figures are ours.

    Parameters
    ----------
    open_below : float
        Mean skin conductance of a second in microsiemens below which the electrodes may touch nothing.
    still_below : float
        Standard deviation of acceleration within a second in g (root of the sum over the axes) below which
        the band is still; three axes that flicker by a step of 1/64 g reach 0.014.
    warm_above : float
        Temperature in degrees Celsius from which on, unless it falls, only a body explains it.
    cold_below : float
        Temperature in degrees Celsius below which hardly a wrist is.
    falling : float
        Fall in degrees Celsius per minute that tells that a band has been taken off.
    share : float
        Share of the seconds within half a minute to either side that must be so.
    shortest : float
        Seconds for which all of this must hold; with the half minutes it takes a band that is off for about
        50 s longer.
    """

    open_below: float = 0.05
    still_below: float = 0.02
    warm_above: float = 31.0
    cold_below: float = 25.0
    falling: float = 0.3
    share: float = 0.9
    shortest: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise PhysioaffectError(f"OffBodyRules need a share above 0 and up to 1, got {self.share}.")
        if not self.cold_below < self.warm_above:
            raise PhysioaffectError(
                f"OffBodyRules need cold_below < warm_above, got {self.cold_below} and {self.warm_above}."
            )
        for name in ("open_below", "still_below", "falling", "shortest"):
            if not getattr(self, name) > 0:
                raise PhysioaffectError(f"OffBodyRules need {name} above 0, got {getattr(self, name)}.")

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a moment that decide on it."""
        reach = self.shortest + 2 * _MINUTE
        return reach, reach


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class PerSecond:
    """What the sensors say in each whole second from ``first`` on; NaN where one says nothing.

    ``eda`` is the mean in microsiemens, ``temperature`` that in degrees Celsius, ``stir`` the standard
    deviation of acceleration in g; each of shape (n_seconds,).
    """

    first: int
    eda: NDArray[np.float64]
    temperature: NDArray[np.float64]
    stir: NDArray[np.float64]


def per_second(
    *, eda: Signal | None = None, temperature: Signal | None = None, acc: Signal | None = None
) -> PerSecond | None:
    """Bring the signals that there are onto whole seconds after the trial's onset; None if there are none.

    Parameters
    ----------
    eda, temperature, acc : Signal, optional
        Skin conductance in microsiemens, temperature in degrees Celsius, acceleration in g, each at its own
        rate.

    Returns
    -------
    seconds : PerSecond or None

    Raises
    ------
    PhysioaffectError
        If the signals do not belong together: they span many days.

    Examples
    --------
    >>> eda = Signal(data=np.arange(1.0, 9.0)[None], sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> seconds = per_second(eda=eda)
    >>> seconds.eda, seconds.temperature
    (array([2.5, 6.5]), array([nan, nan]))
    """
    signals = [signal for signal in (eda, temperature, acc) if signal is not None and signal.n_times]
    if not signals:
        return None
    first = int(np.floor(min(signal.start for signal in signals) + _SLACK))
    n_seconds = int(np.ceil(max(signal.stop for signal in signals) - _SLACK)) - first
    if n_seconds > _MOST_SECONDS:
        raise PhysioaffectError(
            f"The signals of the trial span {n_seconds / 86400:.0f} days: their starts do not belong "
            "together. Give each Signal its start in seconds after the trial's onset."
        )

    def means(signal: Signal | None, power: int = 1) -> NDArray[np.float64]:
        if signal is None or not signal.n_times:
            return np.full((1, n_seconds), np.nan)
        second = np.floor(signal.times + _SLACK).astype(np.int64) - first
        is_present = np.isfinite(signal.data)
        sums = np.stack(
            [
                np.bincount(second, weights=np.where(here, row, 0.0) ** power, minlength=n_seconds)
                for row, here in zip(signal.data, is_present, strict=True)
            ]
        )
        counts = np.stack([np.bincount(second, weights=here, minlength=n_seconds) for here in is_present])
        mean = np.full(sums.shape, np.nan)
        np.divide(sums, counts, out=mean, where=counts > 0)
        return mean

    variance = (means(acc, 2) - means(acc) ** 2).sum(axis=0)
    return PerSecond(
        first=first,
        eda=means(eda).mean(axis=0),
        temperature=means(temperature).mean(axis=0),
        stir=np.sqrt(np.maximum(variance, 0.0)),
    )


class SecondBySecond:
    """`per_second` of a recording that grows at its end and is forgotten at its beginning.

    A second is worked out once, when it is over.
    """

    def __init__(self) -> None:
        self._known: PerSecond | None = None

    def __call__(
        self, *, eda: Signal | None = None, temperature: Signal | None = None, acc: Signal | None = None
    ) -> PerSecond | None:
        """Work out the seconds that are new, and drop those before the first sample."""
        there = [signal for signal in (eda, temperature, acc) if signal is not None and signal.n_times]
        if not there:
            return None
        known, cuts = self._known, {"eda": eda, "temperature": temperature, "acc": acc}
        if known is not None:
            edge = known.first + len(known.stir)
            cuts = {name: None if one is None else _since(one, edge) for name, one in cuts.items()}
        new = per_second(**cuts)
        if known is None or new is None:
            whole = known if new is None else new
        else:
            first = max(known.first, int(np.floor(min(one.start for one in there) + _SLACK)))
            whole = _joined(known, new, first)
        assert whole is not None
        n_over = int(np.floor(min(one.stop for one in there) + _SLACK)) - whole.first
        self._known = _rows(whole, slice(max(0, n_over)))
        return whole


def _since(signal: Signal, second: int) -> Signal:
    first = min(max(0, int(np.ceil((second - signal.start) * signal.sfreq - _SLACK))), signal.n_times)
    return replace(
        signal,
        data=signal.data[:, first:],
        flags=signal.flags[first:],
        start=signal.start + first / signal.sfreq,
    )


def _rows(seconds: PerSecond, part: slice) -> PerSecond:
    return replace(
        seconds, eda=seconds.eda[part], temperature=seconds.temperature[part], stir=seconds.stir[part]
    )


def _joined(known: PerSecond, new: PerSecond, first: int) -> PerSecond:
    """Two stretches, of which the second begins where the first ends or later, from a second on."""
    gap = np.full(new.first - known.first - len(known.stir), np.nan)
    eda, temperature, stir = (
        np.concatenate([before[first - known.first :], gap, after])
        for before, after in (
            (known.eda, new.eda),
            (known.temperature, new.temperature),
            (known.stir, new.stir),
        )
    )
    return PerSecond(first=first, eda=eda, temperature=temperature, stir=stir)


def off_body(seconds: PerSecond, rules: OffBodyRules | None = None) -> Mask:
    """Decide for each second whether the band lies somewhere unworn.

    Parameters
    ----------
    seconds : PerSecond
        From `per_second`.
    rules : OffBodyRules, optional
        Default: ``OffBodyRules()``.

    Returns
    -------
    is_off : ndarray of bool, shape (n_seconds,)

    Notes
    -----
    It takes two sensors that agree. With skin conductance: no current, no movement and no warmth (below
    ``warm_above``, or falling). Without it: no movement and cold. Where a sensor says nothing it is passed
    over, where only one says something nothing is decided. Someone asleep is still and warm, someone with dry
    skin is warm or moves. A pulse is not looked for.

    Examples
    --------
    >>> seconds = PerSecond(
    ...     first=0,
    ...     eda=np.append(np.full(300, 2.0), np.zeros(300)),
    ...     temperature=np.append(np.full(300, 33.0), np.full(300, 22.0)),
    ...     stir=np.append(np.full(300, 0.1), np.zeros(300)),
    ... )
    >>> is_off = off_body(seconds)
    >>> bool(is_off[:290].any()), bool(is_off[310:].all())
    (False, True)
    """
    rules = OffBodyRules() if rules is None else rules

    def mostly(is_so: Mask, values: Array) -> Mask:
        share = moving_mean(np.where(np.isfinite(values), is_so, np.nan), _MINUTE)
        with np.errstate(invalid="ignore"):
            return np.asarray(share >= rules.share)

    with np.errstate(invalid="ignore"):
        is_open, is_still = seconds.eda < rules.open_below, seconds.stir < rules.still_below
        level = moving_mean(seconds.temperature, 5)
        fall = _fall_per_minute(level)
        is_falling = fall > rules.falling
        is_warm = (level >= rules.warm_above) & ~is_falling
        is_cold = level < rules.cold_below
    has_eda, has_acc, has_heat = (
        np.isfinite(moving_mean(x, _MINUTE)) for x in (seconds.eda, seconds.stir, seconds.temperature)
    )
    no_current, no_stir = mostly(is_open, seconds.eda), mostly(is_still, seconds.stir)
    by_eda = no_current & (no_stir | ~has_acc) & ~is_warm & (has_acc | (has_heat & (is_cold | is_falling)))
    by_cold = no_stir & is_cold & ~has_eda
    is_off = lasting(by_eda | by_cold, round(rules.shortest))
    # A share is reached late and lost early: the seconds around that say the same belong to it.
    half = _MINUTE // 2
    agrees = (is_open | ~np.isfinite(seconds.eda)) & (is_still | ~np.isfinite(seconds.stir))
    return np.asarray(is_off | (spread(is_off, before=half, after=half) & agrees))


def _fall_per_minute(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fall of temperature over the minute around each second, or what of it there is; NaN if unknown."""
    n_seconds, half = len(level), _MINUTE // 2
    samples = np.arange(n_seconds)
    first, last = np.maximum(samples - half, 0), np.minimum(samples + half, n_seconds - 1)
    fall: NDArray[np.float64] = (level[first] - level[last]) * _MINUTE / np.maximum(last - first, 1)
    return fall


def returns(is_off: Mask) -> NDArray[np.intp]:
    """Find the seconds at which an unworn stretch ends before the recording does.

    Parameters
    ----------
    is_off : ndarray of bool, shape (n_seconds,)
        From `off_body`.

    Examples
    --------
    >>> returns(np.array([False, True, True, False, False, True]))
    array([3])
    """
    stops = runs(is_off).stops
    return stops[stops < len(is_off)]
