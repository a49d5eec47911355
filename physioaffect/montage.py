"""Names and places of EEG electrodes, and the pairs that mirror each other."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["canonical_name", "electrode_positions", "frontal_posterior_pairs", "mirror_pairs"]

# "EEG Fp1-REF" of EDF files and "Fc5." of PhysioNet. Only names that mean a reference may follow: "Fp1-F7" is
# no electrode but a difference of two.
_DRESSED = re.compile(r"(?:EEG[ _-]+)?(.*?)[\s.]*(?:-(?:REF|LE|AVG|AR))?", re.IGNORECASE)
_SITE = re.compile(r"([A-Z]{1,3})(Z|\d{1,2})(H?)")

# The names of 1958 that the modified combinatorial nomenclature of the 10-10 system gave up.
_RENAMED = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}

# Neuroscan's cap draws them beside O1 and O2; the 10-05 system has no such place.
_STAND_INS = {"CB1": "POO7", "CB2": "POO8"}

# Metres. In the template no electrode is further than 3.9 mm from the mirror image of its counterpart, none
# nearer than 5.7 mm to that of another.
_TOLERANCE = 5e-3

_FRONTAL = re.compile(r"(Fp|FC|FT|F)(z|\d+)")
_POSTERIOR_ROWS = {"Fp": "O", "F": "P", "FT": "TP", "FC": "CP"}
# The row AF has no usual counterpart: SEED's cap pairs it with CB, DREAMER's headset has only O1 and O2 left.
_POSTERIOR = {"AF3": ("CB1", "O1"), "AF4": ("CB2", "O2")}


def canonical_name(name: str) -> str:
    """Name of an electrode as the 10-05 system spells it.

    Parameters
    ----------
    name : str
        Any case, with or without a leading "EEG", dots and "-REF", "-LE", "-AVG" or "-AR" at the end.

    Returns
    -------
    canonical : str
        The old T3, T4, T5 and T6 become T7, T8, P7 and P8; Neuroscan's CB1 and CB2 stay. A name that is no
        electrode's comes back without its surroundings.

    Examples
    --------
    >>> [canonical_name(name) for name in ("EEG FP1", "Fc5.", "Oz..", "T3", "CB1")]
    ['Fp1', 'FC5', 'Oz', 'T7', 'CB1']
    """
    found = _DRESSED.fullmatch(name.strip())
    bare = found[1] if found else name
    site = _SITE.fullmatch(bare.upper())
    if site is None:
        return bare
    row, column, half = site.groups()
    row = row[:-1] + "p" if row in ("FP", "AFP") else row
    spelt = f"{row}{column.lower()}{half.lower()}"
    return _RENAMED.get(spelt, spelt)


@functools.cache
def _template() -> dict[str, tuple[float, float, float]]:
    import mne  # noqa: PLC0415  mne takes a second to import.

    # The same positions under the name that MNE 1.13 gave them; it warns of the old one.
    known = mne.channels.get_builtin_montages()
    name = "colin27_1005" if "colin27_1005" in known else "standard_1005"
    places = mne.channels.make_standard_montage(name).get_positions()["ch_pos"]
    return {site: (float(x), float(y), float(z)) for site, (x, y, z) in places.items()}


def electrode_positions(ch_names: Sequence[str]) -> NDArray[np.float64]:
    """Places of electrodes on a template head.

    Parameters
    ----------
    ch_names : sequence of str
        In any spelling that `canonical_name` understands.

    Returns
    -------
    positions : ndarray, shape (n_channels, 3)
        In metres: x to the right, y to the front, z up; the origin lies inside the head.

    Raises
    ------
    DataError
        If a name is no electrode of the 10-05 system, or two names mean one place.

    Notes
    -----
    The 10-05 system (Oostenveld & Praamstra 2001, doi 10.1016/S1388-2457(00)00527-7) on the head "Colin 27":
    MNE's ``standard_1005``, called ``colin27_1005`` since MNE 1.13. CB1 and CB2 of SEED's cap are in no
    standard; they are put at POO7 and POO8, an approximation: others put them at PO9 and PO10, 4 cm lower.

    Examples
    --------
    >>> electrode_positions(["Fp1", "Cz"]).round(3)
    array([[-0.029,  0.084, -0.007],
           [ 0.   , -0.009,  0.1  ]])
    """
    template = _template()
    sites: dict[str, str] = {}
    unknown = []
    for name in ch_names:
        canonical = canonical_name(name)
        site = _STAND_INS.get(canonical, canonical)
        if site not in template:
            unknown.append(name)
        elif site in sites:
            raise DataError(
                f"{sites[site]!r} and {name!r} mean the same place on the head. Drop or rename one of them."
            )
        else:
            sites[site] = name
    if unknown:
        raise DataError(
            f"No position is known for {', '.join(map(repr, unknown))}, expected names of the 10-05 system "
            "such as 'Fp1'. Rename these channels, or leave them out: signal.pick([...])."
        )
    return np.array([template[site] for site in sites]).reshape(-1, 3)


def mirror_pairs(ch_names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of electrodes at mirrored places of the left and the right half of the head.

    Parameters
    ----------
    ch_names : sequence of str
        In any spelling that `canonical_name` understands.

    Returns
    -------
    pairs : tuple of (left, right)
        Names as given, in the order of the left ones. Electrodes on the midline or without a counterpart
        are in no pair.

    Raises
    ------
    DataError
        As `electrode_positions`.

    Notes
    -----
    Found by the template's positions, so that any cap is served: the right electrode lies within 5 mm of the
    left one's mirror image. SEED's 62 channels give its 27 pairs (doi 10.1109/TAMD.2015.2431497).

    Examples
    --------
    >>> mirror_pairs(["F3", "Fz", "F4", "O1"])
    (('F3', 'F4'),)
    """
    positions = electrode_positions(ch_names)
    is_left, is_right = positions[:, 0] < 0, positions[:, 0] > 0
    right = np.flatnonzero(is_right)
    if len(right) == 0:
        return ()
    mirrored = positions[is_left] * (-1, 1, 1)
    distance = np.linalg.norm(mirrored[:, np.newaxis] - positions[right], axis=-1)
    nearest = right[distance.argmin(axis=1)]
    is_pair = distance.min(axis=1) < _TOLERANCE
    pairs = zip(np.flatnonzero(is_left)[is_pair], nearest[is_pair], strict=True)
    return tuple((ch_names[int(i)], ch_names[int(j)]) for i, j in pairs)


def frontal_posterior_pairs(ch_names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of electrodes at corresponding places of the front and the back of the head.

    Parameters
    ----------
    ch_names : sequence of str
        In any spelling that `canonical_name` understands.

    Returns
    -------
    pairs : tuple of (frontal, posterior)
        Names as given, in the order of the frontal ones; each electrode is in one pair at most.

    Raises
    ------
    DataError
        As `electrode_positions`.

    Notes
    -----
    Rows are mirrored across the coronal plane with their columns kept: Fp with O, F with P, FT with TP, FC
    with CP. The row AF follows no rule: AF3 and AF4 go with CB1 and CB2, as in SEED, or with O1 and O2 where
    no other electrode does. This gives the 23 pairs of Zheng & Lu 2015 (doi 10.1109/TAMD.2015.2431497) for
    SEED's cap, the 11 in common use for DEAP's and 4 for DREAMER's.

    Examples
    --------
    >>> frontal_posterior_pairs(["FP1", "F3", "P3", "O1"])
    (('FP1', 'O1'), ('F3', 'P3'))
    """
    electrode_positions(ch_names)
    given = {canonical_name(name): name for name in ch_names}
    by_rule = {
        site: row + match[2]
        for site in given
        if (match := _FRONTAL.fullmatch(site)) and (row := _POSTERIOR_ROWS[match[1]]) + match[2] in given
    }
    taken = set(by_rule.values())
    by_table = {
        site: free[0]
        for site, choices in _POSTERIOR.items()
        if site in given and (free := [choice for choice in choices if choice in given.keys() - taken])
    }
    chosen = by_rule | by_table
    return tuple((name, given[chosen[site]]) for site, name in given.items() if site in chosen)
