"""Frequency bands and the sets of them that the literature uses, as values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from physioaffect.errors import ProtocolError

__all__ = [
    "BANDS",
    "DEAP_BANDS",
    "RBTRANSFORMER_BANDS",
    "RBTRANSFORMER_PAPER_BANDS",
    "SEED_BANDS",
    "SEED_IV_BANDS",
    "Band",
    "Bands",
    "band_bins",
    "check_bands",
    "check_below_nyquist",
]

# Edges that lie on a frequency must not fall off it by rounding; a share of the frequencies' distance.
_SLACK = 1e-9


@dataclass(frozen=True, kw_only=True)
class Band:
    """A named frequency band with its edges in Hz."""

    name: str
    fmin: float
    fmax: float

    def __post_init__(self) -> None:
        if not 0 < self.fmin < self.fmax < math.inf:
            raise ValueError(
                f"Band {self.name!r} needs 0 < fmin < fmax, got fmin={self.fmin:g} and fmax={self.fmax:g} Hz."
            )

    def __str__(self) -> str:
        return f"{self.name} ({self.fmin:g}-{self.fmax:g} Hz)"


@dataclass(frozen=True)
class Bands:
    """Frequency bands of different names; they may overlap.

    Parameters
    ----------
    bands : tuple of Band
        At least one.

    Examples
    --------
    >>> Bands.of(theta=(4, 8), alpha=(8, 13)).names
    ('theta', 'alpha')
    """

    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        if not self.bands or len(set(self.names)) < len(self.bands):
            raise ValueError(f"Bands need at least one band and different names, got {self.names}.")

    @classmethod
    def of(cls, **edges: tuple[float, float]) -> Bands:
        """Make bands from ``name=(fmin, fmax)`` in Hz."""
        return cls(tuple(Band(name=name, fmin=fmin, fmax=fmax) for name, (fmin, fmax) in edges.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(band.name for band in self.bands)

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """``(fmin, fmax)`` of each band in Hz."""
        return tuple((band.fmin, band.fmax) for band in self.bands)

    def __iter__(self) -> Iterator[Band]:
        return iter(self.bands)

    def __len__(self) -> int:
        return len(self.bands)

    def within(self, passband: tuple[float, float] | None) -> Bands:
        """Clip the edges to what a recording still holds; outside it there is only filter leakage.

        Parameters
        ----------
        passband : tuple of float, optional
            Lowest and highest frequency in Hz, as in `DataSet.passband`. None changes nothing.

        Returns
        -------
        Bands
            Under the old names, without those that keep less than half of their width.

        Raises
        ------
        ProtocolError
            If no band is left.

        Examples
        --------
        >>> SEED_BANDS.within((0.5, 45)).edges[-1]
        (31, 45)
        """
        if passband is None:
            return self
        low, high = passband
        kept = tuple(
            replace(band, fmin=max(band.fmin, low), fmax=min(band.fmax, high))
            for band in self
            if min(band.fmax, high) - max(band.fmin, low) >= (band.fmax - band.fmin) / 2
        )
        if not kept:
            raise ProtocolError(
                f"Of {', '.join(map(str, self))} no band has half of its width inside {low:g}-{high:g} Hz, "
                "which is all that the recording holds. Choose bands inside it."
            )
        return Bands(kept)


def band_bins(
    bands: Iterable[Band], *, duration: float, n_needed: int = 1, otherwise: str = "or a wider band"
) -> tuple[tuple[int, int], ...]:
    """First frequency and the one after the last with ``fmin <= f < fmax`` of each band.

    Neighbours that share an edge share no frequency, and none has the one at zero.

    Parameters
    ----------
    bands : iterable of Band
        They may overlap.
    duration : float
        Seconds that are transformed: frequency k is ``k / duration``.
    n_needed : int
        Fewest frequencies of a band.
    otherwise : str
        What helps apart from longer windows, for the sentence.

    Raises
    ------
    ProtocolError
        If a band has fewer.

    Examples
    --------
    >>> band_bins(Bands.of(theta=(4, 8), alpha=(8, 13)), duration=2.0)
    ((8, 16), (16, 26))
    """
    edges = []
    for band in bands:
        first, stop = (max(math.ceil(edge * duration - _SLACK), 1) for edge in (band.fmin, band.fmax))
        if stop - first < n_needed:
            found = "No frequency" if stop == first else f"Only {stop - first} of {n_needed} frequencies"
            raise ProtocolError(
                f"{found} of a spectrum of {duration:g} s lies in {band}. Use windows (and the segments or "
                f"frames in them) of at least {n_needed / (band.fmax - band.fmin):g} s, {otherwise}."
            )
        edges.append((first, stop))
    return tuple(edges)


def check_below_nyquist(bands: Iterable[Band], *, sfreq: float) -> None:
    """Raise a `ProtocolError` if a band reaches half the sampling rate."""
    for band in bands:
        if band.fmax >= sfreq / 2:
            raise ProtocolError(
                f"Cannot measure {band}: a signal sampled at {sfreq:g} Hz holds only what lies below "
                f"{sfreq / 2:g} Hz. Lower fmax, or leave this band out."
            )


def check_bands(bands: Iterable[Band], *, sfreq: float, duration: float) -> None:
    """Raise a `ProtocolError` for bands at half the sampling rate, or of which a window holds no cycle."""
    bands = tuple(bands)
    check_below_nyquist(bands, sfreq=sfreq)
    for band in bands:
        if band.fmin * duration < 1 - _SLACK:
            raise ProtocolError(
                f"A window of {duration:g} s holds less than one cycle of {band}. Use windows of at least "
                f"{1 / band.fmin:g} s, or leave this band out."
            )


SEED_BANDS = Bands.of(delta=(1, 3), theta=(4, 7), alpha=(8, 13), beta=(14, 30), gamma=(31, 50))
"""SEED's features: Zheng & Lu, IEEE TAMD 7(3), 162-175, 2015, doi 10.1109/TAMD.2015.2431497."""

SEED_IV_BANDS = Bands.of(delta=(1, 4), theta=(4, 8), alpha=(8, 14), beta=(14, 31), gamma=(31, 50))
"""SEED-IV's and SEED-VIG's features, from the data sets' pages."""

DEAP_BANDS = SEED_BANDS.within((4, 45))
"""SEED's as far as DEAP's preprocessed release holds them, which was filtered to 4 to 45 Hz: no delta."""

RBTRANSFORMER_BANDS = Bands.of(theta=(4, 8), alpha=(8, 14), beta=(14, 31), gamma=(31, 49))
"""RBTransformer as in its code; its paper (arXiv 2511.13954) has `RBTRANSFORMER_PAPER_BANDS`."""

RBTRANSFORMER_PAPER_BANDS = Bands.of(theta=(4, 8), alpha=(8, 13), beta=(13, 30), gamma=(30, 45))
"""RBTransformer as in its paper; the code that made its figures has `RBTRANSFORMER_BANDS`."""

BANDS = {
    "deap": DEAP_BANDS,
    "rbtransformer": RBTRANSFORMER_BANDS,
    "rbtransformer_paper": RBTRANSFORMER_PAPER_BANDS,
    "seed": SEED_BANDS,
    "seed_iv": SEED_IV_BANDS,
}
