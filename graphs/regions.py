"""Groups of electrodes, hierarchies of them, and those of HiSTN for DREAMER's headset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.montage import canonical_name, electrode_positions

__all__ = ["HISTN_HIERARCHIES", "Hierarchy", "Region"]

Edges = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Region:
    """Electrodes that belong together, and the edges among them.

    Parameters
    ----------
    name : str
        What the region is called.
    ch_names : tuple of str
        Its electrodes, each once, in the order of the rows of ``adjacency``.
    edges : tuple of (str, str)
        Undirected edges of weight 1 between electrodes of the region, each once.

    Raises
    ------
    ValueError
        If there is no electrode, one occurs twice, or an edge is a loop, leads outside or occurs twice.

    Examples
    --------
    >>> Region("left posterior", ("T7", "P7", "O1"), (("T7", "P7"), ("P7", "O1"))).adjacency
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """

    name: str
    ch_names: tuple[str, ...]
    edges: Edges = ()

    def __post_init__(self) -> None:
        _check(f"The region {self.name!r}", self.ch_names, self.edges)

    @property
    def adjacency(self) -> NDArray[np.float64]:
        """Its graph, shape (n_channels, n_channels)."""
        return _adjacency(self.ch_names, self.edges)

    def indices(self, ch_names: Sequence[str]) -> NDArray[np.intp]:
        """Find its electrodes among the channels of a recording, whatever their order and spelling.

        Parameters
        ----------
        ch_names : sequence of str
            Channels of the recording.

        Returns
        -------
        indices : ndarray, shape (n_channels of the region,)

        Raises
        ------
        DataError
            If the recording lacks an electrode of the region, or has two channels at one place.
        """
        electrode_positions(ch_names)
        given = {canonical_name(name): index for index, name in enumerate(ch_names)}
        missing = [name for name in self.ch_names if canonical_name(name) not in given]
        if missing:
            raise DataError(
                f"The region {self.name!r} needs {', '.join(missing)}, which the {len(given)} channels lack: "
                f"{', '.join(ch_names)}. Use regions made for these channels, as lobes(ch_names) gives them."
            )
        return np.array([given[canonical_name(name)] for name in self.ch_names], dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Regions, the graph that joins them, and how far messages travel on each level.

    Parameters
    ----------
    name : str
        What the hierarchy is called.
    regions : tuple of Region
        Without common electrodes.
    edges : tuple of (str, str)
        Undirected edges of weight 1 between names of regions, each once.
    hops : tuple of int
        Highest order of the Chebyshev polynomials in each region.
    region_hops : int
        The same in the graph of regions.

    Raises
    ------
    ValueError
        If names or edges are as `Region` refuses them, an electrode is in two regions, or there is not one
        positive number of hops for each region.
    """

    name: str
    regions: tuple[Region, ...]
    edges: Edges
    hops: tuple[int, ...]
    region_hops: int

    def __post_init__(self) -> None:
        what = f"The hierarchy {self.name!r}"
        _check(what, [region.name for region in self.regions], self.edges)
        _check(what, self.ch_names, ())
        if len(self.hops) != len(self.regions) or min(*self.hops, self.region_hops) < 1:
            raise ValueError(
                f"{what} needs one number of hops for each of {len(self.regions)} regions and one for their "
                f"graph, all 1 or more; got hops={self.hops} and region_hops={self.region_hops}."
            )

    @property
    def ch_names(self) -> tuple[str, ...]:
        """Electrodes of all regions, region by region."""
        return tuple(name for region in self.regions for name in region.ch_names)

    @property
    def adjacency(self) -> NDArray[np.float64]:
        """Graph of the electrodes ``ch_names``, shape (n_channels, n_channels): no edge joins two regions."""
        return _adjacency(self.ch_names, [edge for region in self.regions for edge in region.edges])

    @property
    def region_adjacency(self) -> NDArray[np.float64]:
        """Graph of the regions, shape (n_regions, n_regions)."""
        return _adjacency([region.name for region in self.regions], self.edges)


def _check(what: str, names: Sequence[str], edges: Edges) -> None:
    """Refuse names that occur twice and edges that no undirected graph of these names has."""
    if not names:
        raise ValueError(f"{what} is empty. Give it something to hold.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} has {', '.join(twice)} more than once. Name each once.")
    seen: set[frozenset[str]] = set()
    for edge in edges:
        ends, written = frozenset(edge), " to ".join(edge)
        if not ends <= set(names):
            raise ValueError(f"{what} has an edge from {written}, but only the nodes {', '.join(names)}.")
        if len(ends) != 2 or ends in seen:
            raise ValueError(f"{what} has an edge from {written} that is a loop or a repetition. Drop it.")
        seen.add(ends)


def _adjacency(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> NDArray[np.float64]:
    row_of = {name: row for row, name in enumerate(names)}
    adjacency = np.zeros((len(row_of), len(row_of)))
    for first, second in edges:
        adjacency[row_of[first], row_of[second]] = adjacency[row_of[second], row_of[first]] = 1
    return adjacency


def _region(name: str, ch_names: str, edges: str) -> Region:
    pairs = [edge.split("-") for edge in edges.split()]
    return Region(name, tuple(ch_names.split()), tuple((first, second) for first, second in pairs))


def _ring(name: str, regions: Sequence[Region], hops: tuple[int, ...], region_hops: int) -> Hierarchy:
    names = [region.name for region in regions]
    edges = tuple(zip(names, [*names[1:], names[0]], strict=True))
    return Hierarchy(name, tuple(regions), edges, hops, region_hops)


HISTN_HIERARCHIES = {
    "V0": _ring(
        "HiSTN V0",
        [
            _region("left frontal", "AF3 F7 F3 FC5", "AF3-F3 F7-F3 F7-FC5 F3-FC5"),
            _region("left posterior", "T7 P7 O1", "T7-P7 P7-O1"),
            _region("right posterior", "O2 P8 T8", "O2-P8 P8-T8"),
            _region("right frontal", "FC6 F4 F8 AF4", "AF4-F4 F8-F4 F8-FC6 F4-FC6"),
        ],
        hops=(2, 2, 2, 2),
        region_hops=2,
    ),
    "V1": _ring(
        "HiSTN V1",
        [
            _region("left frontal", "AF3 F7 F3", "AF3-F7 AF3-F3 F7-F3"),
            _region("left temporal", "FC5 T7 P7", "FC5-T7 T7-P7"),
            _region("occipital", "O1 O2", "O1-O2"),
            _region("right temporal", "P8 T8 FC6", "P8-T8 T8-FC6"),
            _region("right frontal", "F4 F8 AF4", "F4-F8 F4-AF4 F8-AF4"),
        ],
        hops=(1, 2, 1, 2, 1),
        region_hops=2,
    ),
    "V2": _ring(
        "HiSTN V2",
        [
            _region("left frontal", "AF3 F7 F3 FC5 T7", "AF3-F3 F7-F3 F7-FC5 F3-FC5 FC5-T7"),
            _region("posterior", "P7 O1 O2 P8", "P7-O1 O1-O2 O2-P8"),
            _region("right frontal", "T8 FC6 F4 F8 AF4", "AF4-F4 F8-F4 F8-FC6 F4-FC6 FC6-T8"),
        ],
        hops=(3, 3, 3),
        region_hops=1,
    ),
}
"""The three hierarchies of DREAMER's 14 electrodes in HiSTN (arXiv 2408.15255) and the code beside it; the
names of the regions are ours. V0 is the one of the paper's results."""
