"""Regions: HiSTN's hierarchies, lobes of any cap, LGGNet's published groups."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from physioaffect.datasets import DEAP, DREAMER, EEGMAT, SEED
from physioaffect.errors import DataError
from physioaffect.graphs import (
    HISTN_HIERARCHIES,
    Hierarchy,
    Region,
    laplacian,
    largest_eigenvalue,
    lobes,
    local_graphs,
    neighbouring,
)

CAPS = {dataset.name: dataset.ch_names["eeg"] for dataset in (SEED, DEAP, DREAMER, EEGMAT)}
each_cap = pytest.mark.parametrize("ch_names", CAPS.values(), ids=CAPS)

GROUPINGS = {
    "lobes": lobes,
    "halves": lambda names: lobes(names, halves=True),
    "general": local_graphs,
    "frontal": lambda names: local_graphs(names, kind="frontal"),
    "hemisphere": lambda names: local_graphs(names, kind="hemisphere"),
}
each_grouping = pytest.mark.parametrize("group", GROUPINGS.values(), ids=GROUPINGS)

# The local graphs of DEAP's cap in LGGNet, in the authors' order of electrodes within each.
LGGNET = {
    "general": "Fp1 Fp2|AF3 AF4|F3 F7 Fz F4 F8|FC5 FC1 FC6 FC2|C3 Cz C4|CP5 CP1 CP2 CP6|P7 P3 Pz P4 P8|"
    "PO3 PO4|O1 Oz O2|T7|T8",
    "frontal": "Fp1 AF3|Fp2 AF4|F3 F7|F4 F8|Fz|FC5 FC1|FC6 FC2|C3 Cz C4|CP5 CP1 CP2 CP6|P7 P3 Pz P4 P8|"
    "PO3 PO4|O1 Oz O2|T7|T8",
    "hemisphere": "Fp1 AF3|Fp2 AF4|F3 F7|F4 F8|Fz Cz Pz Oz|FC5 FC1|FC6 FC2|C3|C4|CP5 CP1|CP2 CP6|P7 P3|P4 P8|"
    "PO3 O1|PO4 O2|T7|T8",
}

# Section 1.3 of the specification: edges within the regions of V0.
V0_EDGES = "AF3-F3 F7-F3 F7-FC5 F3-FC5 T7-P7 P7-O1 O2-P8 P8-T8 AF4-F4 F8-F4 F8-FC6 F4-FC6"


def as_set(edges) -> set[frozenset[str]]:
    return {frozenset(edge) for edge in edges}


def mirrored(name: str) -> str:
    number = int(name[-1])
    return f"{name[:-1]}{number + 1 if number % 2 else number - 1}"


@pytest.mark.parametrize(
    ("version", "bounds", "hops", "region_hops"),
    [
        ("V0", [0, 4, 7, 10, 14], (2, 2, 2, 2), 2),
        ("V1", [0, 3, 6, 8, 11, 14], (1, 2, 1, 2, 1), 2),
        ("V2", [0, 5, 9, 14], (3, 3, 3), 1),
    ],
)
def test_histns_regions_are_blocks_of_dreamers_channels_in_a_ring(version, bounds, hops, region_hops):
    hierarchy = HISTN_HIERARCHIES[version]
    names = DREAMER.ch_names["eeg"]
    blocks = [tuple(names[first:last]) for first, last in pairwise(bounds)]
    assert [region.ch_names for region in hierarchy.regions] == blocks
    assert hierarchy.ch_names == tuple(names)
    n_regions = len(blocks)
    ring = np.roll(np.eye(n_regions), 1, axis=0) + np.roll(np.eye(n_regions), -1, axis=0)
    assert_array_equal(hierarchy.region_adjacency, ring)
    assert (hierarchy.hops, hierarchy.region_hops) == (hops, region_hops)


def test_the_edges_of_v0_are_those_of_the_specification():
    edges = [edge for region in HISTN_HIERARCHIES["V0"].regions for edge in region.edges]
    assert as_set(edges) == as_set(edge.split("-") for edge in V0_EDGES.split())


def test_the_largest_eigenvalues_of_v0_are_four_and_three():
    hierarchy = HISTN_HIERARCHIES["V0"]
    graphs = [*(region.adjacency for region in hierarchy.regions), hierarchy.region_adjacency]
    found = [largest_eigenvalue(laplacian(torch.as_tensor(graph))).item() for graph in graphs]
    assert found == pytest.approx([4, 3, 3, 4, 4])


@pytest.mark.parametrize("version", HISTN_HIERARCHIES)
def test_histns_hierarchies_are_the_same_on_both_sides_of_the_head(version):
    hierarchy = HISTN_HIERARCHIES[version]
    edges = as_set(edge for region in hierarchy.regions for edge in region.edges)
    assert as_set(map(mirrored, edge) for edge in edges) == edges
    assert hierarchy.hops == hierarchy.hops[::-1]


@pytest.mark.parametrize("version", HISTN_HIERARCHIES)
def test_no_edge_of_the_electrodes_joins_two_regions(version):
    hierarchy = HISTN_HIERARCHIES[version]
    of_region = np.repeat(np.arange(len(hierarchy.regions)), [len(r.ch_names) for r in hierarchy.regions])
    rows, columns = np.nonzero(hierarchy.adjacency)
    assert_array_equal(of_region[rows], of_region[columns])
    for index, region in enumerate(hierarchy.regions):
        own = of_region == index
        assert_array_equal(hierarchy.adjacency[np.ix_(own, own)], region.adjacency)


@each_cap
@each_grouping
def test_every_electrode_is_in_one_region_that_is_fully_connected(group, ch_names):
    regions = group(ch_names)
    assert sorted(name for region in regions for name in region.ch_names) == sorted(ch_names)
    for region in regions:
        assert_array_equal(region.adjacency, 1 - np.eye(len(region.ch_names)))
        assert_array_equal(region.indices(ch_names), np.sort(region.indices(ch_names)))


@each_grouping
@given(order=st.permutations(CAPS["deap"]))
def test_the_order_of_the_channels_does_not_change_the_groups(group, order):
    def groups(names) -> set[tuple[str, frozenset[str]]]:
        return {(region.name, frozenset(region.ch_names)) for region in group(names)}

    assert groups(order) == groups(CAPS["deap"])


@each_cap
@pytest.mark.parametrize("kind", [None, "frontal", "hemisphere"])
def test_left_and_right_regions_are_mirror_images(kind, ch_names):
    regions = lobes(ch_names, halves=True) if kind is None else local_graphs(ch_names, kind=kind)
    members = {region.name: set(region.ch_names) for region in regions}
    left = [name for name in members if name.startswith("left")]
    assert left
    for name in left:
        others = members[name.replace("left", "right")]
        assert {one for one in members[name] if int(one[-1]) % 2} == members[name]
        assert set(map(mirrored, members[name])) == others


def test_lobes_follow_the_letters_of_the_names():
    found = {region.name: " ".join(region.ch_names) for region in lobes(CAPS["deap"])}
    assert found == {
        "frontal": "Fp1 AF3 F3 F7 Fp2 AF4 Fz F4 F8",
        "central": "FC5 FC1 C3 CP5 CP1 FC6 FC2 Cz C4 CP6 CP2",
        "parietal": "P3 P7 Pz P4 P8",
        "occipital": "PO3 O1 Oz PO4 O2",
        "temporal": "T7 T8",
    }


def test_old_names_have_the_lobe_of_the_new_ones_and_keep_their_spelling():
    assert [region.ch_names for region in lobes(["T3", "EEG T4-REF", "t5", "P8"])] == [
        ("t5", "P8"),
        ("T3", "EEG T4-REF"),
    ]


def test_the_whole_10_05_system_has_lobes_but_for_the_ears():
    import mne

    known = mne.channels.get_builtin_montages()
    montage = "colin27_1005" if "colin27_1005" in known else "standard_1005"
    refused = set()
    for name in mne.channels.make_standard_montage(montage).ch_names:
        try:
            lobes([name])
        except DataError:
            refused.add(name)
    assert refused == {"A1", "A2", "M1", "M2"}


@pytest.mark.parametrize("kind", LGGNET)
def test_local_graphs_of_deap_are_the_published_ones(kind):
    found = {frozenset(region.ch_names) for region in local_graphs(CAPS["deap"], kind=kind)}
    assert found == {frozenset(group.split()) for group in LGGNET[kind].split("|")}


@each_cap
def test_lobes_that_touch_are_joined(ch_names):
    hierarchy = neighbouring(lobes(ch_names), hops=1)
    assert hierarchy.hops == (1,) * len(hierarchy.regions)
    joined = as_set(hierarchy.edges)
    assert frozenset(("parietal", "occipital")) in joined
    assert frozenset(("frontal", "temporal")) in joined
    halves = neighbouring(lobes(ch_names, halves=True))
    assert frozenset(("left temporal", "right temporal")) not in as_set(halves.edges)


def test_regions_find_their_electrodes_by_name():
    region = Region("frontal", ("F3", "F4"))
    assert_array_equal(region.indices(["Cz", "EEG F4", "f3"]), [2, 1])
    with pytest.raises(
        DataError, match=re.escape("'frontal' needs F4, which the 2 channels lack: F3, Cz. Use")
    ):
        region.indices(["F3", "Cz"])
    with pytest.raises(DataError, match="'F3' and 'F3' mean the same place"):
        region.indices(["F3", "F3", "F4"])


@pytest.mark.parametrize(
    ("ch_names", "edges", "sentence"),
    [
        ((), (), "The region 'r' is empty."),
        (("F3", "F4", "F3"), (), "The region 'r' has F3 more than once."),
        (("F3", "F4"), (("F3", "Cz"),), "has an edge from F3 to Cz, but only the nodes F3, F4."),
        (("F3", "F4"), (("F3", "F3"),), "has an edge from F3 to F3 that is a loop or a repetition."),
        (("F3", "F4"), (("F3", "F4"), ("F4", "F3")), "from F4 to F3 that is a loop or a repetition."),
    ],
)
def test_a_region_cannot_be_wrong(ch_names, edges, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Region("r", ch_names, edges)


LEFT, RIGHT = Region("left", ("F3",)), Region("right", ("F4",))


@pytest.mark.parametrize(
    ("regions", "edges", "hops", "region_hops", "sentence"),
    [
        ((), (), (), 1, "The hierarchy 'h' is empty."),
        ((LEFT, LEFT), (), (1, 1), 1, "The hierarchy 'h' has left more than once."),
        ((LEFT, Region("other", ("F3",))), (), (1, 1), 1, "The hierarchy 'h' has F3 more than once."),
        (
            (LEFT, RIGHT),
            (("left", "top"),),
            (1, 1),
            1,
            "an edge from left to top, but only the nodes left, right.",
        ),
        (
            (LEFT, RIGHT),
            (),
            (1,),
            1,
            "one number of hops for each of 2 regions and one for their graph, all 1 or",
        ),
        ((LEFT, RIGHT), (), (1, 0), 1, "got hops=(1, 0) and region_hops=1."),
        ((LEFT, RIGHT), (), (1, 1), 0, "got hops=(1, 1) and region_hops=0."),
    ],
)
def test_a_hierarchy_cannot_be_wrong(regions, edges, hops, region_hops, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Hierarchy("h", regions, edges, hops, region_hops)


@each_grouping
def test_electrodes_of_no_lobe_are_refused(group):
    with pytest.raises(DataError, match="'A1' lies over no lobe of the brain"):
        group(["Fz", "A1"])
    with pytest.raises(DataError, match="No position is known for 'ECG'"):
        group(["Fz", "ECG"])


def test_an_unknown_kind_of_local_graphs_is_refused():
    with pytest.raises(ValueError, match="no local graphs 'gen': use one of general, frontal, hemisphere"):
        local_graphs(["Fz"], kind="gen")
