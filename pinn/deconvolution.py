"""Skin conductance taken apart by a convex program: sparse sudomotor driver, smooth tonic level, residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.signals.eda import Decomposition, highpass
from physioaffect.signals.resampling import bring_down

from ._interior_point import interior_point, spline_basis
from .sudomotor import Sudomotor

__all__ = ["Convex", "Deconvolution", "deconvolve"]

Array = NDArray[np.float64]

SHORTEST_S = 30.0
"""Of what is present; in less there is no telling a response from the level."""

_SLOWEST_HZ = 1.0
# No skin that was measured conducts more (Boucsein 2012); a wristband's range ends at 100.
_LARGEST_US = 200.0
# Relative duality gap. At 1e-9 two solutions of one problem differ by 5e-6 of its range, at 1e-11 by 2e-7.
_GAP = 1e-11
_MOST_ITERATIONS = 100
# In units of the scale; the solver finds the optimum from anywhere, from here in the fewest steps.
_START = 2.0


@dataclass(frozen=True, kw_only=True)
class Convex:
    r"""Convex decomposition of skin conductance, as a setting of the features and as a function.

    With the data scaled to :math:`y / s`, it solves

    .. math:: \min_{p \ge 0,\, l} \tfrac12 \sum_k w_k (r_k + t_k - y_k)^2
       + \lambda \sum_k p_k + \tfrac12 \gamma\, l^\top P\, l

    for the driver p, whose response by `Sudomotor` is the phasic part r, and the coefficients l of the cubic
    splines that make the tonic part t; :math:`w_k` is 0 where a sample is missing, otherwise 1.

    Parameters
    ----------
    tau_rise, tau_decay : float
        Time constants of the skin in seconds; see `estimate_time_constants` for a person's own.
    sparsity : float
        The :math:`\lambda`.
    smoothness : float
        The :math:`\gamma` at 4 Hz; at other rates it is changed in proportion, as there are more samples to
        outweigh, so that the optimum hardly depends on the rate.
    tonic : {"curvature", "cvxeda"}
        What P punishes: the second differences of the coefficients, which lets the level go where it goes,
        and what is far away does not matter; or the coefficients themselves beside one offset and slope for
        the whole recording, as published [1]_.
    knot : float
        Seconds between the splines' knots, rounded to whole samples.
    scale : float, optional
        The s in microsiemens. Default: the standard deviation of the recording above 0.05 Hz with
        "curvature", of all of it with "cvxeda". Give it where pieces of a recording are to be treated alike.
    max_sfreq : float
        Faster recordings are brought down to this rate behind an anti-alias filter
        (`physioaffect.signals.resampling.bring_down`).

    Notes
    -----
    Called as ``decompose(eda, sfreq=4.0)`` it gives the `Decomposition` that the features of skin conductance
    take: the phasic part is the driver's response, so that what neither part explains is in neither. With
    less than 30 s present both are NaN. `deconvolve` gives all.

    A change of unit changes nothing but the unit, since the scale changes with it.

    **Deviations from [1]_**

    * The driver is constant between samples and its response exact, where the paper uses the bilinear
      transform; it is in microsiemens.
    * The tonic part as said above; ``tonic="cvxeda"`` with ``sparsity=8e-4 * 1.3`` is nearest to the paper's.
    * Missing samples have no weight. Before the recording lies one interval between knots without data, in
      which bursts may begin whose responses are under way at the first sample.

    References
    ----------
    .. [1] Greco, Valenza, Lanata, Scilingo, Citi (2016). cvxEDA: a convex optimization approach to
       electrodermal activity processing. IEEE Trans. Biomed. Eng. 63, 797-804. doi:10.1109/TBME.2015.2474131

    Examples
    --------
    >>> burst = np.zeros(480)
    >>> burst[200] = 4.0
    >>> eda = 5 + Sudomotor().respond(burst, sfreq=4.0)
    >>> tonic, phasic = Convex()(eda, sfreq=4.0)
    >>> int(phasic.argmax()), round(float(phasic.max()), 2)
    (205, 0.28)
    """

    tau_rise: float = 0.7
    tau_decay: float = 2.0
    sparsity: float = 0.03
    smoothness: float = 3.0
    tonic: Literal["curvature", "cvxeda"] = "curvature"
    knot: float = 10.0
    scale: float | None = None
    max_sfreq: float = 16.0

    REACH_S: ClassVar[float] = 120.0
    """Seconds after which what lies beyond changes tonic and phasic part by less than 1e-6 of the range."""

    def __post_init__(self) -> None:
        Sudomotor(tau_rise=self.tau_rise, tau_decay=self.tau_decay)
        for name in ("sparsity", "smoothness", "knot", "scale"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise ValueError(f"{name} must be above 0, got {value}.")
        if self.tonic not in ("curvature", "cvxeda"):
            raise ValueError(f"tonic must be 'curvature' or 'cvxeda', got {self.tonic!r}.")
        if not self.max_sfreq >= _SLOWEST_HZ:
            raise ValueError(f"max_sfreq must be at least {_SLOWEST_HZ:g} Hz, got {self.max_sfreq}.")

    @property
    def skin(self) -> Sudomotor:
        """The linear system of these time constants."""
        return Sudomotor(tau_rise=self.tau_rise, tau_decay=self.tau_decay)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a moment outside of which next to nothing changes its parts.

        Infinite without a scale, which is made from all of the recording, or with global columns. Otherwise
        what is further away changes a part by less than 1e-6 of the recording's range if a piece begins whole
        knots later, and by 5e-4 if it begins between them (knots count from the first sample; 2e-5 with
        ``knot=5``). A gap in between adds its own length.
        """
        if self.scale is None or self.tonic == "cvxeda":
            return np.inf, np.inf
        return self.REACH_S, self.REACH_S

    def __call__(self, eda: NDArray[np.floating[Any]], *, sfreq: float) -> Decomposition:
        """Split skin conductance in microsiemens, shape (..., n_times), NaN where missing."""
        rows = np.reshape(eda, (-1, np.shape(eda)[-1])).astype(np.float64)
        parts = [self._split(row, sfreq) for row in rows]
        tonic, phasic = (np.reshape([part[n] for part in parts], np.shape(eda)) for n in range(2))
        return Decomposition(tonic, phasic)

    def _split(self, eda: Array, sfreq: float) -> tuple[Array, Array]:
        is_present = np.isfinite(eda)
        if is_present.sum() < SHORTEST_S * sfreq:
            nothing = np.full(len(eda), np.nan)
            return nothing, nothing
        found = deconvolve(eda, sfreq=sfreq, settings=self)
        parts = [found.tonic, found.phasic]
        if found.sfreq != sfreq:
            times, theirs = np.arange(len(eda)) / sfreq, np.arange(len(found.tonic)) / found.sfreq
            parts = [np.interp(times, theirs, part) for part in parts]
        tonic, phasic = (np.where(is_present, part, np.nan) for part in parts)
        return tonic, phasic


class Deconvolution(NamedTuple):
    """Skin conductance taken apart, each array of shape (n_times,) at ``sfreq``, in microsiemens.

    ``tonic + phasic + residual`` is the recording. Tonic, phasic and driver are known at every sample, the
    residual is NaN where the recording is missing; what lies far inside a gap is a guess. ``objective`` is
    the optimum's value on data in units of ``scale``, and ``gap`` how far above the true one it is at most.
    """

    tonic: Array
    phasic: Array
    driver: Array
    residual: Array
    is_present: NDArray[np.bool_]
    sfreq: float
    scale: float
    objective: float
    gap: float
    n_iterations: int
    settings: Convex


def deconvolve(
    eda: NDArray[np.floating[Any]],
    *,
    sfreq: float,
    settings: Convex = Convex(),
    price: NDArray[np.floating[Any]] | None = None,
    weights: NDArray[np.floating[Any]] | None = None,
) -> Deconvolution:
    """Find driver, phasic and tonic part of one recording.

    Parameters
    ----------
    eda : ndarray, shape (n_times,)
        Skin conductance in microsiemens, NaN where missing or not to be trusted.
    sfreq : float
        Samples per second.
    settings : Convex
        Model and weights.
    price : ndarray, shape (n_times,), optional
        Sparsity of each sample instead of one for all; only where the recording is not resampled.
    weights : ndarray, shape (n_times,), optional
        Weight of each sample in the data term, from 0 on, instead of 1 for those that are present; only where
        the recording is not resampled. See `place_on_grid`.

    Returns
    -------
    Deconvolution
        At ``sfreq``, or at ``settings.max_sfreq`` if that is lower.

    Raises
    ------
    DataError
        If fewer than 30 s are present, the rate is below 1 Hz, the recording never changes, or its values are
        none that skin can have.
    """
    y = checked(eda, sfreq)
    if price is not None and (np.shape(price) != y.shape or sfreq > settings.max_sfreq or np.min(price) <= 0):
        raise ValueError(
            f"price must be above 0, of shape {y.shape}, for a rate up to {settings.max_sfreq:g} Hz; got "
            f"shape {np.shape(price)} at {sfreq:g} Hz."
        )
    if weights is not None:
        if np.shape(weights) != y.shape or sfreq > settings.max_sfreq or not np.min(weights) >= 0:
            raise ValueError(
                f"weights must be from 0 on, of shape {y.shape}, for a rate up to {settings.max_sfreq:g} Hz; "
                f"got shape {np.shape(weights)} at {sfreq:g} Hz."
            )
        y = checked(np.where(np.asarray(weights) > 0, y, np.nan), sfreq)
    if sfreq > settings.max_sfreq:
        y, sfreq = bring_down(y, sfreq=sfreq, to=settings.max_sfreq)
    is_present = np.isfinite(y)
    scale = settings.scale if settings.scale is not None else scale_of(y, sfreq, settings)
    return solved(y, is_present, sfreq, scale, settings, price, weights)


def checked(eda: NDArray[np.floating[Any]], sfreq: float) -> Array:
    if np.ndim(eda) != 1:
        raise ValueError(f"eda must be (n_times,), got shape {np.shape(eda)}. Pass one channel: eda[0].")
    if not sfreq >= _SLOWEST_HZ:
        raise DataError(
            f"Skin conductance sampled at {sfreq:g} Hz cannot be taken apart: a response rises within a "
            f"second or two, which takes {_SLOWEST_HZ:g} Hz or more. Use the original recording."
        )
    y = np.where(np.isfinite(eda), eda, np.nan).astype(np.float64)
    present = y[np.isfinite(y)]
    if len(present) < SHORTEST_S * sfreq:
        raise DataError(
            f"Only {len(present) / sfreq:.1f} s of skin conductance are present; it takes {SHORTEST_S:g} s "
            "to tell responses from the level. Give a longer recording, or mask less."
        )
    if present.min() == present.max():
        raise DataError(
            f"Skin conductance is {present[0]:g} uS throughout: the sensor was not on the skin, or its range "
            "was left. Leave this recording out."
        )
    if present.min() < -0.01 * _LARGEST_US or present.max() > _LARGEST_US:
        raise DataError(
            f"Skin conductance from {present.min():g} to {present.max():g} uS: skin has 0 to "
            f"{_LARGEST_US:g} uS. Convert other units first (1 uS = 1000 nS; a resistance in kOhm is 1000 "
            "/ R), and mask what is outside."
        )
    return y


def scale_of(y: Array, sfreq: float, settings: Convex) -> float:
    fast = y if settings.tonic == "cvxeda" else highpass(y, sfreq=sfreq).phasic
    scale = float(np.nanstd(fast))
    if scale > 0:
        return scale
    raise DataError(
        "What is present of the skin conductance never changes faster than its level. Leave this recording "
        "out, or give a scale."
    )


def solved(
    y: Array,
    is_present: NDArray[np.bool_],
    sfreq: float,
    scale: float,
    settings: Convex,
    price: Any = None,
    weight: Any = None,
) -> Deconvolution:
    """Solve the program; ``price`` and ``weight`` replace those of single samples if given."""
    n_per_knot = max(2, round(settings.knot * sfreq))
    n = len(y)
    n_all = -(-(n + n_per_knot) // n_per_knot) * n_per_knot
    own = slice(n_per_knot, n_per_knot + n)
    data, weights = np.zeros(n_all), np.zeros(n_all)
    # The level is taken out so that the solver starts near it.
    level = float(y[is_present].mean())
    data[own] = np.where(is_present, (y - level) / scale, 0.0)
    weights[own] = is_present if weight is None else np.where(is_present, weight, 0.0)
    prices = np.full(n_all, settings.sparsity)
    if price is not None:
        prices[own] = price
    is_published = settings.tonic == "cvxeda"
    trend = np.empty((n_all, 0))
    if is_published:
        trend = np.column_stack([np.ones(n_all), np.linspace(0, 1, n_all)])
    steps = settings.skin.discretise(sfreq)
    q, driver, splines, slopes, objective, gap, n_iterations = interior_point(
        data,
        weights,
        prices,
        spline_basis(n_per_knot),
        trend,
        np.array(steps.ar),
        np.array(steps.ma),
        _penalty(n_all // n_per_knot + 3, settings.smoothness * sfreq / 4, is_ridge=is_published),
        _START,
        _GAP,
        _MOST_ITERATIONS,
    )
    first = np.repeat(np.arange(n_all // n_per_knot), n_per_knot)
    basis = np.tile(spline_basis(n_per_knot), (n_all // n_per_knot, 1))
    level_of = sum(basis[:, j] * splines[first + j] for j in range(4)) + trend @ slopes
    phasic = np.zeros(n_all)
    phasic[1:] += steps.ma[0] * q[:-1]
    phasic[2:] += steps.ma[1] * q[:-2]
    tonic, phasic = level_of[own] * scale + level, phasic[own] * scale
    return Deconvolution(
        tonic=tonic,
        phasic=phasic,
        driver=driver[own] * scale,
        residual=np.where(is_present, y - tonic - phasic, np.nan),
        is_present=is_present,
        sfreq=sfreq,
        scale=scale,
        objective=objective,
        gap=gap,
        n_iterations=n_iterations,
        settings=settings,
    )


def _penalty(n_splines: int, weight: float, *, is_ridge: bool) -> Array:
    """Upper bands of P times its weight, (n_splines + 4, 4): what lies behind the end is not used."""
    bands = np.zeros((n_splines + 4, 4))
    if is_ridge:
        bands[:n_splines, 0] = weight
        return bands
    second = np.array([1.0, -2.0, 1.0])
    for first in range(n_splines - 2):
        for i in range(3):
            for j in range(i, 3):
                bands[first + i, j - i] += weight * second[i] * second[j]
    return bands
