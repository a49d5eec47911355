"""MAHNOB-HCI: folders laid out by hand, simulated ones, and broken ones."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from typer.testing import CliRunner

from physioaffect.cli import app
from physioaffect.data_set import Exclusion
from physioaffect.datasets import MAHNOB, World, get
from physioaffect.errors import DataError, PhysioaffectError

ELECTRODES = (
    *("Fp1", "AF3", "F7", "F3", "FC1", "FC5", "T7", "C3", "CP1", "CP5", "P7", "P3", "Pz", "PO3", "O1", "Oz"),
    *("O2", "PO4", "P4", "P8", "CP6", "CP2", "C4", "T8", "FC6", "FC2", "F4", "F8", "AF4", "Fp2", "Fz", "Cz"),
)
OTHERS = [*(f"EXG{n}" for n in range(1, 9)), "GSR1", "GSR2", "Erg1", "Erg2", "Resp", "Temp", "Status"]
RATE, CLIP = 256, 5


def status(*, rises=(30, 30 + CLIP), value=268, seconds=30 + CLIP + 2, high=0x180000):
    samples = np.full(seconds * RATE, high)
    for second in rises:
        samples[round(second * RATE) : round(second * RATE) + 20] |= value
    return samples


def bdf(pulses=None, *, names=(*ELECTRODES, *OTHERS), rate=RATE, units=None, n_records=None):
    """Channel i holds 100 i + 7 second in counts, of 1/32 uV but for the last; the last is the status."""
    pulses = status() if pulses is None else pulses
    units = {"GSR1": "Ohm", "GSR2": "Ohm", "Temp": "degC", "Status": "Boolean"} | (units or {})
    seconds = len(pulses) // rate
    fields = [
        *[f"{name:16}" for name in names],
        *[f"{'':80}" for _ in names],
        *[f"{units.get(name, 'uV'):8}" for name in names],
        *[f"{-8388608 if units.get(name) else -262144:<8}" for name in names],
        *[f"{8388607 if units.get(name) else 262143:<8}" for name in names],
        *[f"{-8388608:<8}" for _ in names],
        *[f"{8388607:<8}" for _ in names],
        *[f"{'':80}" for _ in names],
        *[f"{rate:<8}" for _ in names],
        *[f"{'':32}" for _ in names],
    ]
    head = (
        b"\xffBIOSEMI"
        + b" " * 160
        + b"01.01.0900.00.00"
        + f"{256 * (len(names) + 1):<8}{'24BIT':44}".encode()
    )
    head += f"{seconds if n_records is None else n_records:<8}{1:<8}{len(names):<4}".encode()
    records = []
    for second in range(seconds):
        for index, name in enumerate(names):
            values = np.full(rate, 100 * index + 7 * second)
            if name == "Status":
                values = pulses[second * rate : (second + 1) * rate]
            records.append(b"".join(struct.pack("<i", value)[:3] for value in values.tolist()))
    return head + "".join(fields).encode("latin1") + b"".join(records)


RATED = 'feltEmo="4" feltArsl="7" feltVlnc="3" feltCtrl="5" feltPred="2" mediaFile="69.avi"'


def xml(subject=1, attributes=RATED):
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<session sessionId="2" {attributes}><subject id="{subject}"/></session>'


@pytest.fixture(scope="session")
def good_bdf():
    return bdf()


@pytest.fixture
def root(tmp_path, good_bdf):
    """Folders 2, 10 and 131, a neutral clip (3), one without BDF (12)."""
    for number, subject in ((2, 1), (10, 1), (131, 2), (3, 1), (12, 1)):
        folder = tmp_path / "Sessions" / str(number)
        folder.mkdir(parents=True)
        (folder / "session.xml").write_text(xml(subject, 'mediaFile="n.avi"' if number == 3 else RATED))
        if number != 12:
            (folder / f"Part_{subject}_S_Trial1_emotion.bdf").write_bytes(good_bdf)
    return tmp_path


def simulate(*args, **options) -> Path:
    assert MAHNOB.simulate is not None
    return MAHNOB.simulate(*args, **options)


def read(root):
    exclusions: list[Exclusion] = []
    return list(MAHNOB.read(root, report=exclusions.append)), exclusions


def physical(channel, second, *, limit=262144):
    """What the header makes of the counts in `bdf`: a step is a little less than limit / 2**23."""
    step = (2 * limit - 1) / (2**24 - 1)
    return -limit + step * (100 * channel + 7 * second + 2**23)


def test_subjects_come_from_the_xml_and_folders_in_the_order_of_their_numbers(root):
    trials, _ = read(root)
    assert [(t.subject, t.trial, t.order, t.stimulus) for t in trials] == [
        ("1", "2", 0, "69.avi"),
        ("1", "10", 1, "69.avi"),
        ("2", "131", 0, "69.avi"),
    ]
    assert trials[0].ratings == {
        **{"valence": 3, "arousal": 7, "dominance": 5, "predictability": 2},
        "emotion": 4,
    }
    assert not trials[0].tags


def test_the_folder_sessions_itself_is_read_alike(root):
    assert MAHNOB.files(root) == MAHNOB.files(root / "Sessions")
    assert len(MAHNOB.files(root)) == 5 + 4


def test_neutral_clips_and_folders_without_a_recording_are_left_out_as_expected(root):
    _, exclusions = read(root)
    assert [(e.subject, e.trial, e.expected) for e in exclusions] == [("1", "3", True), ("1", "12", True)]
    assert "no feltArsl" in exclusions[0].reason
    assert "no BDF file" in exclusions[1].reason
    assert len(list(MAHNOB.read(root))) == 3


def test_the_clip_lies_between_the_two_pulses_and_its_rest_before_it(root):
    trial = read(root)[0][0]
    eeg = trial.signal("eeg")
    assert (eeg.sfreq, eeg.unit, eeg.n_times, eeg.start) == (256.0, "V", CLIP * RATE, 0.0)
    assert eeg.ch_names == ELECTRODES == MAHNOB.ch_names["eeg"]
    for second in range(CLIP):
        expected = [physical(channel, 30 + second) * 1e-6 for channel in range(32)]
        assert_allclose(eeg.data[:, second * RATE], expected, rtol=1e-9)
        assert_allclose(eeg.data[:, (second + 1) * RATE - 1], expected, rtol=1e-9)
    rest = trial.baseline["eeg"]
    assert (rest.start, rest.stop) == (0.0, 30.0)
    assert_allclose(rest.data[0, ::RATE], [physical(0, second) * 1e-6 for second in range(30)])


def test_other_signals_have_the_units_that_the_header_says(root):
    trial = read(root)[0][0]
    ecg, gsr = trial.signal("ecg"), trial.signal("gsr")
    assert (ecg.ch_names, ecg.unit) == (("ECG1", "ECG2", "ECG3"), "V")
    assert_allclose(ecg.data[:, 0], [physical(32 + lead, 30) * 1e-6 for lead in range(3)])
    assert (gsr.kind, gsr.unit) == ("eda", "uS")
    assert_allclose(gsr.data[0, 0], 1e6 / physical(40, 30, limit=8388608))
    assert (trial.signal("skin_temperature").unit, trial.signal("resp").unit) == ("degC", "au")
    assert set(trial.signals) == set(MAHNOB.sfreqs)


@pytest.mark.parametrize(("unit", "factor", "expected"), [("nS", 1e-3, "uS"), ("uV", 1.0, "au")])
def test_skin_conductance_without_a_known_unit_has_none(root, unit, factor, expected):
    path = next((root / "Sessions" / "2").glob("*.bdf"))
    path.write_bytes(bdf(units={"GSR1": unit, "Temp": "bits"}))
    trial = read(root)[0][0]
    assert trial.signal("gsr").unit == expected
    assert trial.signal("gsr").data[0, 0] == pytest.approx(physical(40, 30, limit=8388608) * factor)
    assert trial.signal("skin_temperature").unit == "au"


@pytest.mark.parametrize(("value", "high"), [(1, 0), (268, 0x580000), (0x8000, 0x180000), (0x100, 0x180000)])
def test_any_code_in_the_low_16_bits_is_a_pulse(root, value, high):
    next((root / "Sessions" / "2").glob("*.bdf")).write_bytes(bdf(status(value=value, high=high)))
    trials, exclusions = read(root)
    assert trials[0].duration == CLIP
    assert len(exclusions) == 2


def test_a_status_that_is_high_from_the_beginning_is_no_pulse(root):
    pulses = status()
    pulses[:5] |= 268
    next((root / "Sessions" / "2").glob("*.bdf")).write_bytes(bdf(pulses))
    assert read(root)[0][0].duration == CLIP


@pytest.mark.parametrize("rises", [(), (30,), (20, 30), (30, 32, 34)])
def test_a_file_without_exactly_two_pulses_at_their_place_is_left_out(root, rises):
    next((root / "Sessions" / "2").glob("*.bdf")).write_bytes(bdf(status(rises=rises)))
    trials, exclusions = read(root)
    assert [t.trial for t in trials] == ["10", "131"]
    assert [e.trial for e in exclusions if not e.expected] == ["2"]
    with pytest.raises(DataError, match=r"pulses of its status channel at .*expected two, at 30 s"):
        list(MAHNOB.read(root))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda good: b"", "0 bytes. does not begin with the header of a BDF"),
        (lambda good: b"0" + good[1:], "does not begin with the header of a BDF"),
        (lambda good: good[:-3], "its header announces 37 records"),
        (lambda good: good + b"0", "its header announces 37 records"),
        (lambda good: good[:256], "does not begin with the header"),
        (lambda good: good[:236] + b"many    " + good[244:], "b'many    ' as the number of records"),
        (lambda good: good[:244] + b"nan     " + good[252:], "b'nan     ' as the length of a record"),
        (lambda good: good.replace(b"AF3 ", b"AF33"), "has no channel 'AF3'; it has Fp1"),
        (lambda good: good.replace(b"Status  ", b"Trigger "), "has no channel 'Status'"),
        (lambda good: good.replace(b"-8388608", b"8388607 "), "limits or a rate of"),
        (lambda good: good.replace(b"uV  ", b"kg  "), "in 'kg'; expected one unit of voltage"),
    ],
)
def test_a_broken_recording_is_left_out_with_a_sentence(root, good_bdf, change, sentence):
    next((root / "Sessions" / "2").glob("*.bdf")).write_bytes(change(good_bdf))
    assert [t.trial for t in read(root)[0]] == ["10", "131"]
    with pytest.raises(DataError, match=sentence):
        list(MAHNOB.read(root))


def test_another_sampling_rate_and_two_recordings_are_said(root, good_bdf):
    path = next((root / "Sessions" / "2").glob("*.bdf"))
    path.write_bytes(bdf(status(seconds=74), rate=512))
    with pytest.raises(DataError, match="has Status at 512 Hz; expected 256 Hz"):
        list(MAHNOB.read(root))
    path.write_bytes(good_bdf)
    (path.parent / "another.bdf").write_bytes(good_bdf)
    with pytest.raises(DataError, match=r"has 2 BDF files .Part_1_S_Trial1_emotion.bdf, another.bdf"):
        list(MAHNOB.read(root))


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><session>&c;</session>'
THIEF = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><session>&b;</session>'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (BOMB, "declares a document type or entities"),
        (THIEF, "declares a document type or entities"),
        ("", "is no readable XML"),
        ("<session", "is no readable XML"),
        ('<?xml version="1.0" encoding="klingon"?><session/>', "is no readable XML"),
        ("<a>" * 20000, "is no readable XML"),
        ("<trial/>", "holds <trial>; expected <session>"),
        ("<session/>", "expected <session> with a <subject id"),
        (xml("me"), "subject id 'me'; expected a number"),
        (xml("../1"), "subject id '../1'"),
        (xml(1, RATED.replace('"7"', '"10"')), "feltArsl='10'; expected one of 1 to 9"),
        (xml(1, RATED.replace('"7"', '"1e9"')), "feltArsl='1e9'"),
        (xml(1, RATED.replace('"7"', '""')), "feltArsl=''"),
        (xml(1, RATED.replace('feltEmo="4"', 'feltEmo="7"')), "feltEmo='7'; expected one of 0, 1, 2"),
        (xml(1, 'feltArsl="7" mediaFile="1.avi"'), "has feltArsl but no feltVlnc"),
        (xml(1, 'feltArsl="7" feltVlnc="1"'), "mediaFile=''"),
        (xml(1, RATED.replace("69.avi", "../../x")), "mediaFile='../../x'"),
        ("<session>" + " " * 2**20, "more than 1024 kB"),
    ],
)
def test_a_broken_xml_is_a_person_of_its_own_that_cannot_be_read(root, content, sentence):
    (root / "Sessions" / "10" / "session.xml").write_text(content)
    trials, exclusions = read(root)
    assert [t.trial for t in trials] == ["2", "131"]
    (broken,) = [e for e in exclusions if not e.expected]
    assert broken.subject == "session_10"
    with pytest.raises(DataError, match=sentence):
        list(MAHNOB.read(root))


def test_ratings_that_nobody_gave_are_nan(root):
    (root / "Sessions" / "2" / "session.xml").write_text(
        xml(1, 'feltArsl="7" feltVlnc="1" mediaFile="1.avi"')
    )
    ratings = read(root)[0][0].ratings
    assert {name for name, value in ratings.items() if np.isnan(value)} == {
        "dominance",
        "predictability",
        "emotion",
    }


def test_wrong_folders_are_said(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        MAHNOB.files(tmp_path / "nowhere")
    (tmp_path / "Sessions" / "x").mkdir(parents=True)
    with pytest.raises(DataError, match=r"is not MAHNOB-HCI: .*it holds Sessions"):
        MAHNOB.files(tmp_path)


@pytest.mark.parametrize(
    ("task", "lows"), [("valence", 4), ("arousal", 4), ("valence_le5", 5), ("arousal_le5", 5)]
)
def test_low_is_what_the_description_says(root, task, lows):
    trial, found = read(root)[0][0], []
    for rating in range(1, 10):
        object.__setattr__(trial, "ratings", dict.fromkeys(("valence", "arousal"), float(rating)))
        found.append(MAHNOB.tasks[task].target(trial))
    assert found == ["low"] * lows + ["high"] * (9 - lows)
    assert f"low up to {4.5 if lows == 4 else 5:g}" in MAHNOB.tasks[task].description


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.tuples(st.integers(0, 150), st.binary(max_size=8)))
def test_any_xml_is_read_or_refused_with_our_own_error(root, content):
    if isinstance(content, tuple):
        good = xml().encode()
        content = good[: content[0]] + content[1] + good[content[0] + len(content[1]) :]
    (root / "Sessions" / "2" / "session.xml").write_bytes(content)
    for person in MAHNOB.open(root).values():
        for folder in person.folders:
            assert isinstance(folder.session, tuple | DataError)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 256 * 48 - 1), put=st.binary(min_size=1, max_size=12))
def test_a_damaged_header_is_read_or_refused_with_our_own_error(root, good_bdf, at, put):
    path = next((root / "Sessions" / "2").glob("*.bdf"))
    path.write_bytes(good_bdf[:at] + put + good_bdf[at + len(put) :])
    trials, _ = read(root)
    assert [t.trial for t in trials][-2:] == ["10", "131"]


# Simulated ones


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    return simulate(
        tmp_path_factory.mktemp("mahnob"), World(affect=3.0), n_subjects=3, n_clips=4, max_seconds=10
    )


def test_simulated_people_are_read_back_and_tagged(simulated):
    trials, exclusions = read(simulated)
    assert [(t.subject, t.trial) for t in trials][:5] == [
        *(("1", str(n)) for n in (2, 4, 6, 8)),
        ("2", "132"),
    ]
    assert all(t.tags == ("simulated",) and t.duration == 10 for t in trials)
    assert all(e.expected for e in exclusions)
    assert len(exclusions) == 3 * 4
    temperature = trials[0].signal("skin_temperature").data
    assert 25 < temperature.min() <= temperature.max() < 40
    assert 0 < trials[0].signal("gsr").data.min() < 60


def test_mne_reads_the_same_numbers(simulated):
    import mne

    path = simulated / "Sessions" / "2" / "Part_1_S_Trial1_emotion.bdf"
    raw = mne.io.read_raw_bdf(path, verbose="error")
    trial = read(simulated)[0][0]
    expected = raw.get_data(picks=list(ELECTRODES))[:, 30 * RATE : 40 * RATE]
    assert_allclose(trial.signal("eeg").data, expected, atol=1e-12)
    assert raw.ch_names == [*ELECTRODES, *OTHERS]
    assert_array_equal(np.unique(raw.get_data(picks=["Status"]).astype(int) & 0xFFFF), [0, 268])


def test_people_do_not_depend_on_how_many_there_are(tmp_path, simulated):
    again = simulate(tmp_path, World(affect=3.0), n_subjects=1, n_clips=2, max_seconds=10)
    one, other = (
        (at / "Sessions" / "4" / "Part_1_S_Trial2_emotion.bdf").read_bytes() for at in (again, simulated)
    )
    assert one == other


def test_numbers_out_of_range_and_folders_that_exist_are_refused(tmp_path):
    with pytest.raises(PhysioaffectError, match="1 to 20 clips, got 1 and 21"):
        simulate(tmp_path, n_subjects=1, n_clips=21)
    with pytest.raises(PhysioaffectError, match="max_seconds must be at least 1 s"):
        simulate(tmp_path, n_subjects=1, n_clips=1, max_seconds=0)
    (tmp_path / "Sessions").mkdir()
    with pytest.raises(DataError, match="exists and is not overwritten"):
        simulate(tmp_path, n_subjects=1, n_clips=1, max_seconds=1)


def test_the_command_line_evaluates_what_was_simulated(simulated, tmp_path):
    assert get("mahnob") is MAHNOB
    run = CliRunner().invoke(
        app,
        [
            *("evaluate", "mahnob", str(simulated), "--task", "arousal_le5", "--model", "logistic"),
            *("--out", str(tmp_path / "result"), "--jobs", "1", "--json"),
        ],
    )
    assert run.exit_code == 0, run.output
    scored = json.loads(run.stdout)["run"]["table"]
    assert (scored["n_subjects"], scored["n_trials"], scored["simulated"]) == (3, 12, True)


def test_a_recording_named_after_another_person_is_refused(root):
    path = next((root / "Sessions" / "2").glob("*.bdf"))
    path.rename(path.with_name("Part_2_S_Trial1_emotion.bdf"))
    with pytest.raises(DataError, match=r"by its name of part 2, S; its session.xml tells .* of subject 1"):
        list(MAHNOB.read(root))


def test_two_channels_of_one_name_are_refused(root, good_bdf):
    path = next((root / "Sessions" / "2").glob("*.bdf"))
    path.write_bytes(good_bdf.replace(b"GSR2 ", b"GSR1 ", 1))
    with pytest.raises(DataError, match="has 2 channels 'GSR1'; nobody knows which is meant"):
        list(MAHNOB.read(root))
