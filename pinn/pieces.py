"""A long recording taken apart piece by piece, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.signals.resampling import bring_down

from .deconvolution import SHORTEST_S, Convex, Deconvolution, checked, scale_of, solved

__all__ = ["deconvolve_in_pieces"]


def deconvolve_in_pieces(
    eda: NDArray[np.floating[Any]],
    *,
    sfreq: float,
    settings: Convex = Convex(),
    piece: float = 6 * 3600.0,
) -> Deconvolution:
    """Find driver, phasic and tonic part of a long recording, as `deconvolve` does, in less memory.

    Parameters
    ----------
    eda : ndarray, shape (n_times,)
        Skin conductance in microsiemens, NaN where missing or not to be trusted.
    sfreq : float
        Samples per second.
    settings : Convex
        Model and weights, with ``tonic="curvature"``: global columns cannot be found from a piece.
    piece : float
        Seconds that are kept of each piece, rounded to whole knots. It is solved with `Convex.REACH_S` more
        at both ends.

    Returns
    -------
    Deconvolution
        ``objective`` is NaN, ``gap`` and ``n_iterations`` are the largest of all pieces. Pieces with less
        than 30 s present are NaN.

    Raises
    ------
    DataError
        As by `deconvolve`, for the whole recording.
    ValueError
        If the settings have global columns, or the piece is shorter than one minute.

    Notes
    -----
    The scale is that of the whole recording, and pieces begin whole numbers of knots apart, so that what is
    kept equals the result from the whole to 1e-6 of the recording's range (tonic and phasic part; the rest is
    the solver's own tolerance), unless a gap of more than a minute lies at the edge of a piece.

    Examples
    --------
    >>> from physioaffect.pinn import deconvolve, simulate_eda
    >>> eda = simulate_eda(1800, seed=1).eda
    >>> whole = deconvolve(eda, sfreq=4.0)
    >>> joined = deconvolve_in_pieces(eda, sfreq=4.0, piece=600.0)
    >>> bool(np.abs(joined.tonic - whole.tonic).max() < 1e-6 * np.ptp(eda))
    True
    """
    if settings.tonic != "curvature":
        raise ValueError(
            "Pieces take tonic='curvature': the slope of tonic='cvxeda' is one for the whole recording."
        )
    if not piece >= 60:
        raise ValueError(f"A piece must last a minute or more, got {piece:g} s.")
    y = checked(eda, sfreq)
    if sfreq > settings.max_sfreq:
        y, sfreq = bring_down(y, sfreq=sfreq, to=settings.max_sfreq)
    is_present = np.isfinite(y)
    scale = settings.scale if settings.scale is not None else scale_of(y, sfreq, settings)
    n, n_per_knot = len(y), max(2, round(settings.knot * sfreq))
    n_piece = max(1, round(piece * sfreq / n_per_knot)) * n_per_knot
    n_reach = -(-int(np.ceil(Convex.REACH_S * sfreq)) // n_per_knot) * n_per_knot
    tonic, phasic, driver = (np.full(n, np.nan) for _ in range(3))
    gap, n_iterations = 0.0, 0
    for first in range(0, n, n_piece):
        stop = min(first + n_piece, n)
        begin, end = max(first - n_reach, 0), min(stop + n_reach, n)
        if is_present[begin:end].sum() < SHORTEST_S * sfreq:
            continue
        found = solved(y[begin:end], is_present[begin:end], sfreq, scale, settings)
        own = slice(first - begin, stop - begin)
        tonic[first:stop], phasic[first:stop] = found.tonic[own], found.phasic[own]
        driver[first:stop] = found.driver[own]
        gap, n_iterations = max(gap, found.gap), max(n_iterations, found.n_iterations)
    return Deconvolution(
        tonic=tonic,
        phasic=phasic,
        driver=driver,
        residual=np.where(is_present, y - tonic - phasic, np.nan),
        is_present=is_present,
        sfreq=sfreq,
        scale=scale,
        objective=float("nan"),
        gap=gap,
        n_iterations=n_iterations,
        settings=settings,
    )
