"""Prototypes: what the embeddings of EEG look like in each cell of the plane of valence and arousal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioaffect.distill.grid import check_k, grid_cells, grid_centres, nearest_filled
from physioaffect.distill.person_sums import PersonSums, add_rows, person_sums
from physioaffect.errors import DataError

__all__ = ["FORMAT", "Prototypes", "valence_arousal_prototypes"]

# Raised whenever older versions could not read what is written.
FORMAT = 1

Floats = NDArray[np.float64]

_TOLERANCE = 1e-4
# Windows whose directions add up to less than this part of their number point nowhere together.
_NOWHERE = 1e-6
# Pairs of different people that are less of all pairs than this are rounding.
_FEW = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Prototypes:
    """One unit vector for each cell of a grid of valence and arousal.

    Parameters
    ----------
    vectors : ndarray of float32, shape (k * k, n_dims)
        Unit vectors; cell ``valence_cell * k + arousal_cell``, both rising.
    k : int
        Cells along each axis.
    counts : ndarray of int, shape (k * k,)
        Windows in each cell.
    confidence : ndarray of float32, shape (k * k,)
        From 0 to 1; see `valence_arousal_prototypes`.
    filled_from : ndarray of int, shape (k * k,)
        The cell whose windows the vector is made of: its own number, or for an empty cell that of the nearest
        filled one.
    n_people : ndarray of int, shape (k * k,), optional
        People with windows in each cell; None if nobody told who is who.
    origin : mapping
        Where they come from, such as data set, people, teacher, seed and recipe; anything that JSON can hold.

    Raises
    ------
    DataError
        If shapes do not fit, a vector is no unit vector, or the origin is more than JSON can hold.

    Notes
    -----
    Arrays are copied and cannot be written to: prototypes are frozen before a student is trained on them.
    """

    vectors: NDArray[np.float32]
    k: int
    counts: NDArray[np.int64]
    confidence: NDArray[np.float32]
    filled_from: NDArray[np.int64]
    n_people: NDArray[np.int64] | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_k(self.k)
        types: dict[str, Any] = {"vectors": np.float32, "confidence": np.float32}
        for name in ("vectors", "counts", "confidence", "filled_from", "n_people"):
            if (value := getattr(self, name)) is not None:
                copied = np.array(value, dtype=types.get(name, np.int64), order="C")
                copied.setflags(write=False)
                object.__setattr__(self, name, copied)
        object.__setattr__(self, "k", int(self.k))
        object.__setattr__(self, "origin", _plain(self.origin))
        _check(self)

    @property
    def n_dims(self) -> int:
        """Numbers of each prototype."""
        return int(self.vectors.shape[1])

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """Cells without windows of their own, shape (k * k,); their vectors are copies."""
        return np.asarray(self.filled_from != np.arange(self.k**2))

    @property
    def n_empty(self) -> int:
        """How many cells have no window of their own."""
        return int(self.is_empty.sum())

    @property
    def centres(self) -> Floats:
        """Valence and arousal in the middle of each cell, shape (k * k, 2)."""
        return grid_centres(self.k)

    @cached_property
    def similarity(self) -> Floats:
        """Cosines between the prototypes, shape (k * k, k * k)."""
        vectors = self.vectors.astype(np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = np.clip(vectors @ vectors.T, -1, 1)
        cosines.setflags(write=False)
        return cosines

    @cached_property
    def digest(self) -> str:
        """Sha256 of everything above: arrays in little-endian order, the rest as sorted JSON.

        Whoever has the same content has the same digest, whatever the file, the time or the machine.
        """
        told = {"format": FORMAT, "k": self.k, "n_dims": self.n_dims, "origin": self.origin}
        found = hashlib.sha256(_canonical(told))
        for name, kind in (
            ("vectors", "<f4"),
            ("counts", "<i8"),
            ("confidence", "<f4"),
            ("filled_from", "<i8"),
            ("n_people", "<i8"),
        ):
            value = getattr(self, name)
            found.update(f"\n{name} {'none' if value is None else value.shape}\n".encode())
            if value is not None:
                # Minus zero equals zero, and shall have the same bytes.
                found.update((value + np.zeros((), dtype=value.dtype)).astype(kind).tobytes())
        return found.hexdigest()

    def to_json(self) -> dict[str, Any]:
        """What there is to tell without the vectors, for scripts."""
        return {
            "format": FORMAT,
            "digest": self.digest,
            "k": self.k,
            "n_dims": self.n_dims,
            "n_windows": int(self.counts.sum()),
            "n_empty": self.n_empty,
            "counts": self.counts.tolist(),
            "n_people": None if self.n_people is None else self.n_people.tolist(),
            "confidence": [round(float(one), 4) for one in self.confidence],
            "filled_from": self.filled_from.tolist(),
            "origin": dict(self.origin),
        }


def valence_arousal_prototypes(
    embeddings: ArrayLike,
    valence: ArrayLike,
    arousal: ArrayLike,
    *,
    k: int = 5,
    weights: ArrayLike | None = None,
    people: ArrayLike | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Prototypes:
    r"""Average the directions of embeddings in each cell of a grid of valence and arousal.

    Parameters
    ----------
    embeddings : array-like, shape (n_windows, n_dims)
        Features of windows of EEG, such as a teacher's penultimate layer, of people whom the teacher was not
        trained on. Only their directions count.
    valence, arousal : array-like, shape (n_windows,)
        Ratings in [-1, 1].
    k : int
        Cells along each axis.
    weights : array-like, shape (n_windows,), optional
        How much each window counts, such as the teacher's confidence; not negative. Only their proportions
        matter. A window of weight 0 is left out. Default: all alike, as published.
    people : array-like, shape (n_windows,), optional
        Whose window it is. Without it windows are taken for independent, and the confidence says too much.
    origin : mapping, optional
        What to write down beside them.

    Returns
    -------
    Prototypes
        ``n_empty`` says how many cells had no window; `grid.least_empty_cells` how many could have none.

    Raises
    ------
    DataError
        If an embedding is zero or no number, a rating is missing or beyond [-1, 1], shapes do not fit,
        weights are negative or all zero, or directions in a cell cancel out.

    Notes
    -----
    With u_i = x_i / \|x_i\| and weights w_i, the prototype of a cell is s / \|s\| with s the sum of
    w_i u_i over its windows [1]_. A cell without windows takes the prototype of the filled cell whose
    middle is nearest; of equally near ones that with the most windows, then that with the smallest number.

    The confidence of a cell is the ratio of two means of w_i w_j cos(u_i, u_j), cut to [0, 1]: over pairs of
    windows *of different people*, and over all pairs, each window with itself included. The latter is R ** 2,
    the square of the mean resultant length; the former estimates without bias the same for endlessly many
    people, so that the ratio estimates the squared cosine between this prototype and the one that endlessly
    many people would give. Without ``people`` each window counts as a person, and the ratio is
    (n R ** 2 - 1) / ((n - 1) R ** 2): R alone is 1 for a single window, and 1 / sqrt(n) where directions have
    nothing in common. It is 0 for a cell that one person alone is in, for nothing says that it holds for
    another, and for an empty cell. It says how well a direction is known, not that it differs from that of
    other cells, for which see `split_half_stability`. The paper has no confidence; this one changes no
    prototype.

    Sums are made in float64; on another machine their last bits, and with them the digest, may differ.

    References
    ----------
    .. [1] Li et al., 2025. NeuroGaze-Distill. arXiv:2509.11916. It averages over the teacher's validation set
           in a 5 x 5 grid; how it treats edges and ties is not published.

    Examples
    --------
    >>> found = valence_arousal_prototypes([[3, 0], [0, 1], [0, -2]], [-1, -1, 1], [0.1, 0, 1], k=2)
    >>> found.counts, found.filled_from, found.n_empty
    (array([0, 2, 0, 1]), array([1, 1, 3, 3]), 2)
    >>> found.vectors[1].round(4)
    array([0.7071, 0.7071], dtype=float32)
    """
    cells = grid_cells(valence, arousal, k=k)
    mass = None if weights is None else _weights(weights, len(cells))
    if mass is not None and not (counted := mass > 0).all() and np.ndim(embeddings) == 2:
        embeddings, cells, mass = np.asarray(embeddings)[counted], cells[counted], mass[counted]
        people = None if people is None else np.asarray(people)[counted]
    if not len(cells):
        raise DataError("There is no window with a weight above 0, and so no prototype. Check the windows.")
    sums = person_sums(embeddings, cells, people, mass)
    n_cells = k * k
    counts = np.bincount(cells, minlength=n_cells)
    filled = np.flatnonzero(counts)
    total = add_rows(sums.totals, sums.cells, n_cells)
    mass_of_cell = np.bincount(sums.cells, sums.masses, minlength=n_cells).astype(np.float64)
    lengths = np.linalg.norm(total, axis=1)
    if (lost := filled[lengths[filled] <= _NOWHERE * mass_of_cell[filled]]).size:
        raise DataError(
            f"The embeddings in cell {lost[0]} of {k} x {k} ({counts[lost[0]]} windows) cancel out, so that "
            "their mean has no direction. Do not subtract a cell's own mean from embeddings."
        )
    own = np.zeros_like(total)
    own[filled] = total[filled] / lengths[filled, None]
    source = nearest_filled(counts, k)
    return Prototypes(
        vectors=own[source].astype(np.float32),
        k=k,
        counts=counts,
        confidence=_confidence(sums, lengths, mass_of_cell),
        filled_from=source,
        n_people=None if people is None else np.bincount(sums.cells[sums.masses > 0], minlength=n_cells),
        origin=origin or {},
    )


def _confidence(sums: PersonSums, lengths: Floats, mass: Floats) -> NDArray[np.float32]:
    found = np.zeros(len(mass))
    # Pairs within a person are taken from all pairs; those of a window with itself, if nobody is known.
    within = np.bincount(sums.cells, sums.own_squares, minlength=len(mass))
    between_mass = mass**2 - np.bincount(sums.cells, sums.own_masses, minlength=len(mass))
    several = between_mass > _FEW * mass**2
    between = (lengths[several] ** 2 - within[several]) / between_mass[several]
    found[several] = np.clip(between * mass[several] ** 2 / lengths[several] ** 2, 0, 1)
    return found.astype(np.float32)


def _weights(weights: ArrayLike, n: int) -> Floats:
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (n,):
        raise DataError(f"Weights must be one for each of {n} windows, got shape {found.shape}.")
    if not np.isfinite(found).all() or (found < 0).any():
        raise DataError(
            f"Weights must be finite and not negative, got {np.nanmin(found):g} as the smallest and "
            f"{int((~np.isfinite(found)).sum())} that are not finite. Give 0 to windows that do not count."
        )
    # Only proportions matter; so no scale of theirs makes squares overflow.
    return found / found.max() if n and found.max() > 0 else found


def _canonical(told: Any) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode(
        "ascii"
    )


def _plain(origin: Mapping[str, Any]) -> dict[str, Any]:
    """As it will be when read back: tuples are lists, keys are text."""
    try:
        plain: dict[str, Any] = json.loads(_canonical(dict(origin)))
    except (RecursionError, TypeError, ValueError) as error:
        raise DataError(
            f"The origin of prototypes must be what JSON can hold, of finite numbers: {error}. Turn arrays "
            "into lists and paths into text."
        ) from error
    return plain


def _check(found: Prototypes) -> None:
    n_cells = found.k**2
    if found.vectors.ndim != 2 or found.vectors.shape[0] != n_cells or not found.vectors.shape[1]:
        raise DataError(
            f"Prototypes of a {found.k} x {found.k} grid are ({n_cells}, n_dims), got {found.vectors.shape}."
        )
    for name in ("counts", "confidence", "filled_from", "n_people"):
        if (value := getattr(found, name)) is not None and value.shape != (n_cells,):
            raise DataError(
                f"{name} of a {found.k} x {found.k} grid must have shape ({n_cells},), got {value.shape}."
            )
    off = np.abs(np.linalg.norm(found.vectors.astype(np.float64), axis=1) - 1)
    if not (off <= _TOLERANCE).all():
        raise DataError(
            f"Prototypes must be unit vectors; that of cell {int(np.argmax(~(off <= _TOLERANCE)))} is not. "
            "Divide each by its length."
        )
    if not ((found.confidence >= 0) & (found.confidence <= 1)).all():
        raise DataError("The confidence of prototypes must lie in [0, 1].")
    if (found.counts < 0).any() or (found.n_people is not None and (found.n_people < 0).any()):
        raise DataError("Counts of windows and people cannot be negative.")
    source = found.filled_from
    if not ((source >= 0) & (source < n_cells)).all() or not (source[source] == source).all():
        raise DataError(
            f"filled_from must name for each cell a filled one among 0 to {n_cells - 1}, its own number if "
            "it is filled itself."
        )
    if not np.array_equal(found.vectors, found.vectors[source]):
        raise DataError("The vector of an empty cell must equal that of the cell that it is filled from.")
