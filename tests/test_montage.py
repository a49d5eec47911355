"""Names, places and pairs of electrodes."""

import re
import subprocess
import sys

import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.datasets import DEAP, DREAMER, SEED
from physioaffect.errors import DataError
from physioaffect.montage import (
    canonical_name,
    electrode_positions,
    frontal_posterior_pairs,
    mirror_pairs,
)

SEED_NAMES, DEAP_NAMES, DREAMER_NAMES = (dataset.ch_names["eeg"] for dataset in (SEED, DEAP, DREAMER))

# The left electrodes of SEED's 27 pairs; the data set's page has the right ones too.
SEED_LEFT = "Fp1 AF3 F7 F5 F3 F1 FT7 FC5 FC3 FC1 T7 C5 C3 C1 TP7 CP5 CP3 CP1 P7 P5 P3 P1 PO7 PO5 PO3 CB1 O1"
# Zheng & Lu 2015.
SEED_FRONTAL = (
    "FT7-TP7 FC5-CP5 FC3-CP3 FC1-CP1 FCz-CPz FC2-CP2 FC4-CP4 FC6-CP6 FT8-TP8 F7-P7 F5-P5 F3-P3 "
    "F1-P1 Fz-Pz F2-P2 F4-P4 F6-P6 F8-P8 Fp1-O1 Fp2-O2 Fpz-Oz AF3-CB1 AF4-CB2"
)
DEAP_FRONTAL = "FC5-CP5 FC1-CP1 FC2-CP2 FC6-CP6 F7-P7 F3-P3 Fz-Pz F4-P4 F8-P8 Fp1-O1 Fp2-O2"
DREAMER_MIRROR = "AF3-AF4 F7-F8 F3-F4 FC5-FC6 T7-T8 P7-P8 O1-O2"


def montage_names() -> list[str]:
    """Every name of the 10-05 system, old and new, in MNE's template."""
    known = mne.channels.get_builtin_montages()
    name = "colin27_1005" if "colin27_1005" in known else "standard_1005"
    return list(mne.channels.make_standard_montage(name).ch_names)


def sites() -> list[str]:
    """Each place of the 10-05 system under one name, without the references at the ears."""
    return [name for name in montage_names() if not re.fullmatch(r"T[3-6]|[AM]\d", name)]


def across(name: str) -> str:
    """Name at the mirrored place: odd numbers are left, the next even number is right."""
    row, number, half = re.fullmatch(r"([A-Za-z]+?)(\d+)(h?)", name).groups()  # type: ignore[union-attr]
    return f"{row}{int(number) + 1}{half}"


def joined(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    return ["-".join(pair) for pair in pairs]


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("EEG Fp1", "Fp1"),
        ("EEG FP1-REF", "Fp1"),
        ("eeg fp1-le", "Fp1"),
        ("EEG_OZ", "Oz"),
        ("FP1", "Fp1"),
        ("fpz", "Fpz"),
        ("AFPZ", "AFpz"),
        ("Fc5.", "FC5"),
        ("Oz..", "Oz"),
        ("Af7.", "AF7"),
        ("TPP9H", "TPP9h"),
        ("T3", "T7"),
        ("t4", "T8"),
        ("EEG T5", "P7"),
        ("T6", "P8"),
        ("CB1", "CB1"),
        ("Cb2", "CB2"),
    ],
)
def test_names_come_out_as_the_10_05_system_spells_them(name, canonical):
    assert canonical_name(name) == canonical


@pytest.mark.parametrize("name", ["EEG A2-A1", "Fp1-F7", "VEOG", "EEG 001", "STI 014", ""])
def test_what_is_no_electrode_does_not_become_one(name):
    assert canonical_name(name) not in montage_names()


@pytest.mark.parametrize("case", [str.upper, str.lower, str])
def test_every_name_of_the_template_is_spelt_as_there(case):
    names = [name for name in montage_names() if name not in ("T3", "T4", "T5", "T6")]
    assert [canonical_name(case(name)) for name in names] == names


def test_positions_are_those_of_the_template_in_metres():
    # Millimetres, MNE's colin27_1005.
    expected = np.array([[-29.4, 83.9, -7.0], [0.4, -9.2, 100.2], [29.8, -112.2, 8.8], [-84.2, -16.0, -9.3]])
    assert_allclose(electrode_positions(["FP1", "Cz", "o2", "T3"]) * 1e3, expected, atol=0.1)


def test_positions_follow_the_order_of_the_names():
    positions = electrode_positions(SEED_NAMES)
    assert positions.shape == (62, 3)
    assert_array_equal(electrode_positions(SEED_NAMES[::-1]), positions[::-1])
    assert electrode_positions([]).shape == (0, 3)


def test_a_caller_cannot_change_the_template():
    electrode_positions(["Cz"])[:] = 0
    assert electrode_positions(["Cz"]).any()


def test_seeds_two_extra_electrodes_stand_between_po7_and_o1():
    cb1, po7, o1, cb2 = electrode_positions(["CB1", "PO7", "O1", "CB2"])
    assert np.linalg.norm(cb1 - po7) < 0.02
    assert np.linalg.norm(cb1 - o1) < 0.02
    assert_allclose(cb1 * (-1, 1, 1), cb2, atol=1e-3)


def test_all_unknown_names_are_told_at_once():
    with pytest.raises(DataError, match=r"known for 'EKG', 'EEG A2-A1', .*Rename .*pick\(\["):
        electrode_positions(["Cz", "EKG", "EEG A2-A1"])


@pytest.mark.parametrize("names", [("T3", "EEG T7"), ("Fp1", "FP1"), ("CB1", "POO7")])
@pytest.mark.parametrize("function", [electrode_positions, mirror_pairs, frontal_posterior_pairs])
def test_two_names_of_one_place_are_refused(names, function):
    with pytest.raises(DataError, match=f"'{names[0]}' and '{names[1]}' mean the same place"):
        function(["Cz", *names])


def test_seeds_pairs_are_the_published_ones():
    assert joined(mirror_pairs(SEED_NAMES)) == [f"{left}-{across(left)}" for left in SEED_LEFT.split()]
    assert len(mirror_pairs(SEED_NAMES)) == 27


def test_deap_has_fourteen_pairs_and_dreamer_seven():
    assert len(mirror_pairs(DEAP_NAMES)) == 14
    assert joined(mirror_pairs(DREAMER_NAMES)) == DREAMER_MIRROR.split()


def test_mirrored_places_and_mirrored_names_agree_over_the_whole_system():
    names = sites()
    lefts = [name for name in names if int((re.findall(r"\d+", name) or ["0"])[0]) % 2]
    assert len(lefts) > 140
    assert joined(mirror_pairs(names)) == [f"{left}-{across(left)}" for left in lefts]


def test_an_electrode_without_its_mirror_image_gets_no_other():
    names = sites()
    for left, right in mirror_pairs(names):
        assert left not in dict(mirror_pairs([name for name in names if name != right]))


def test_pairs_keep_the_names_as_given():
    assert mirror_pairs(["EEG FP2", "Fpz", "fp1.", "T4", "EEG T3"]) == (("fp1.", "EEG FP2"), ("EEG T3", "T4"))
    assert frontal_posterior_pairs(["OZ..", "EEG Fpz", "T5", "f7"]) == (("EEG Fpz", "OZ.."), ("f7", "T5"))


@pytest.mark.parametrize("names", [[], ["Cz"], ["F3", "C3"], ["F4"], ["F3", "C4", "Fz"]])
def test_there_may_be_no_mirrored_pair(names):
    assert mirror_pairs(names) == ()


def test_seeds_frontal_posterior_pairs_are_the_published_ones():
    assert sorted(joined(frontal_posterior_pairs(SEED_NAMES))) == sorted(SEED_FRONTAL.split())
    assert [pair[0] for pair in frontal_posterior_pairs(SEED_NAMES)][:5] == [
        "Fp1",
        "Fpz",
        "Fp2",
        "AF3",
        "AF4",
    ]


def test_deaps_frontal_posterior_pairs_are_the_usual_ones():
    assert sorted(joined(frontal_posterior_pairs(DEAP_NAMES))) == sorted(DEAP_FRONTAL.split())


def test_dreamers_headset_pairs_what_it_has():
    assert joined(frontal_posterior_pairs(DREAMER_NAMES)) == ["AF3-O1", "F7-P7", "F8-P8", "AF4-O2"]


@pytest.mark.parametrize("names", [SEED_NAMES, DEAP_NAMES, DREAMER_NAMES, sites()])
def test_no_electrode_is_in_two_frontal_posterior_pairs(names):
    used = [name for pair in frontal_posterior_pairs(names) for name in pair]
    assert len(used) == len(set(used)) > 0


def test_importing_the_montage_does_not_import_mne():
    code = "import sys, physioaffect.montage; sys.exit('mne' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
