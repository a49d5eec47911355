"""Groups of the electrodes of any cap: lobes, LGGNet's local graphs, and the regions that touch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from physioaffect.errors import DataError
from physioaffect.montage import canonical_name, electrode_positions

from .adjacency import delaunay
from .regions import Hierarchy, Region

__all__ = ["lobes", "local_graphs", "neighbouring"]

# The rows of the 10-10 system, the lobe of each, and the rows of the 10-05 system counted to it: those
# between two rows to the one in front. The temporal rows are one. SEED's CB1 and CB2 lie beside O1 and O2.
_ROWS = {
    "Fp": ("frontal", "Fp"),
    "AF": ("frontal", "AFp AF AFF"),
    "F": ("frontal", "F FFC FFT"),
    "FC": ("central", "FC FCC"),
    "C": ("central", "C CCP"),
    "CP": ("central", "CP CPP"),
    "P": ("parietal", "P PPO"),
    "PO": ("occipital", "PO POO"),
    "O": ("occipital", "O OI I CB"),
    "T": ("temporal", "FT FTT T TTP TP TPP"),
}
_ROW_OF = {spelt: row for row, (_, spellings) in _ROWS.items() for spelt in spellings.split()}
_SITE = re.compile(r"([A-Za-z]+?)(z|\d+)h?")
_SIDES = ("left", "midline", "right")


def _gathered(ch_names: Sequence[str], group_of: Callable[[str, str], str]) -> tuple[Region, ...]:
    """Make a region, fully connected, of each group of rows and sides that has electrodes."""
    electrode_positions(ch_names)
    members: dict[str, list[str]] = {group_of(row, side): [] for row in _ROWS for side in _SIDES}
    for name in ch_names:
        found = _SITE.fullmatch(canonical_name(name))
        if found is None or found[1] not in _ROW_OF:
            raise DataError(f"{name!r} lies over no lobe of the brain. Leave it out: signal.pick([...]).")
        side = "midline" if found[2] == "z" else "left" if int(found[2]) % 2 else "right"
        members[group_of(_ROW_OF[found[1]], side)].append(name)
    taken = {group: tuple(names) for group, names in members.items() if names}
    return tuple(Region(group, names, tuple(combinations(names, 2))) for group, names in taken.items())


def lobes(ch_names: Sequence[str], *, halves: bool = False) -> tuple[Region, ...]:
    """Group the electrodes of any cap by the lobe that their names tell.

    Parameters
    ----------
    ch_names : sequence of str
        Names of the 10-05 system, in any spelling that `physioaffect.montage.canonical_name` understands.
    halves : bool
        Whether the left half, the midline and the right half of a lobe are regions of their own.

    Returns
    -------
    regions : tuple of Region
        Frontal (rows Fp, AF, F), central (FC, C, CP), parietal (P), occipital (PO, O) and temporal (FT, T,
        TP), those that have electrodes. Each is fully connected, with its electrodes in the order given.

    Raises
    ------
    DataError
        If an electrode is unknown, occurs twice, or lies over no lobe, as A1 does.

    Notes
    -----
    No standard says to which lobe the rows between two lobes belong: elsewhere FC may be frontal, CP and PO
    parietal, and P7 and P8 (once T5 and T6) temporal.

    Examples
    --------
    >>> [(region.name, region.ch_names) for region in lobes(["F3", "Fz", "F4", "O1"])]
    [('frontal', ('F3', 'Fz', 'F4')), ('occipital', ('O1',))]
    >>> [region.name for region in lobes(["F3", "Fz", "F4", "O1"], halves=True)]
    ['left frontal', 'midline frontal', 'right frontal', 'left occipital']
    """
    return _gathered(ch_names, lambda row, side: f"{side} {_ROWS[row][0]}" if halves else _ROWS[row][0])


# The rows whose left and right halves are local graphs of their own; what they have on the midline is one
# more. Any other row is one local graph from ear to ear.
_SPLIT = {
    "general": {"T": "T"},
    "frontal": {"Fp": "Fp-AF", "AF": "Fp-AF", "F": "F", "FC": "FC", "T": "T"},
    "hemisphere": {row: row for row in _ROWS} | {"Fp": "Fp-AF", "AF": "Fp-AF", "PO": "PO-O", "O": "PO-O"},
}


def local_graphs(ch_names: Sequence[str], *, kind: str = "general") -> tuple[Region, ...]:
    """Group the electrodes of any cap into the local graphs of LGGNet.

    Parameters
    ----------
    ch_names : sequence of str
        Names of the 10-05 system, in any spelling that `physioaffect.montage.canonical_name` understands.
    kind : {"general", "frontal", "hemisphere"}
        "general": each row from ear to ear. "frontal": the rows Fp with AF, F and FC in halves, their midline
        apart, the others from ear to ear. "hemisphere": all rows in halves, Fp with AF and PO with O, and one
        midline. The left and the right temporal electrodes are always apart.

    Returns
    -------
    regions : tuple of Region
        Those that have electrodes, each fully connected, with its electrodes in the order given.

    Raises
    ------
    DataError
        If an electrode is unknown, occurs twice, or lies over no lobe, as A1 does.
    ValueError
        If there is no such kind.

    Notes
    -----
    Ding et al. 2023, doi 10.1109/TNNLS.2023.3236635, define the three for the caps of their data sets. These
    rules give the 11, 14 and 17 local graphs that the authors use on DEAP's 32 electrodes, and extend them to
    rows that it lacks (FT and TP are temporal) and midline electrodes that it lacks (FCz goes with Fz).

    Examples
    --------
    >>> [region.ch_names for region in local_graphs(["F3", "Fz", "F4", "O1", "O2"], kind="frontal")]
    [('Fz',), ('F3',), ('F4',), ('O1', 'O2')]
    """
    if kind not in _SPLIT:
        raise ValueError(f"LGGNet has no local graphs {kind!r}: use one of {', '.join(_SPLIT)}.")
    split = _SPLIT[kind]

    def group_of(row: str, side: str) -> str:
        if row not in split:
            return row
        return side if side == "midline" else f"{side} {split[row]}"

    return _gathered(ch_names, group_of)


def neighbouring(
    regions: Sequence[Region], *, name: str = "regions", hops: int = 2, region_hops: int = 2
) -> Hierarchy:
    """Join regions that touch on the head to a hierarchy.

    Parameters
    ----------
    regions : sequence of Region
        Without common electrodes, such as `lobes` gives them.
    name : str
        What to call it.
    hops, region_hops : int
        As in `Hierarchy`, the same for every region; by default those of HiSTN.

    Returns
    -------
    hierarchy : Hierarchy
        Two regions are joined if any electrode of one is a neighbour of one of the other in
        `physioaffect.graphs.delaunay`.

    Raises
    ------
    DataError
        If an electrode is unknown, or there are fewer than three.
    ValueError
        As `Hierarchy`.

    Examples
    --------
    >>> neighbouring(lobes(["F3", "F4", "C3", "C4", "O1", "O2"])).edges
    (('frontal', 'central'), ('central', 'occipital'))
    """
    names = [name for region in regions for name in region.ch_names]
    of_region = np.repeat(np.eye(len(regions)), [len(region.ch_names) for region in regions], axis=0)
    touching = np.triu(of_region.T @ delaunay(names) @ of_region, k=1) > 0
    edges = tuple((regions[i].name, regions[j].name) for i, j in np.argwhere(touching).tolist())
    return Hierarchy(name, tuple(regions), edges, (hops,) * len(regions), region_hops)
