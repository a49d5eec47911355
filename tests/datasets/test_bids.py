"""BIDS: what mne-bids writes is read back, physio files by hand, tasks from the data, and what is refused."""

import gzip
import importlib.util
import json
import os
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.io import savemat
from typer.testing import CliRunner

from physioaffect.cli import app
from physioaffect.datasets import (
    EEGMAT,
    Moment,
    World,
    bids,
    check,
    condition_task,
    get,
    simulate_ecg,
    simulate_eda,
    simulate_eeg,
)
from physioaffect.errors import DataError
from physioaffect.recording import Exclusion

mne_bids = pytest.importorskip("mne_bids")
pyedflib = pytest.importorskip("pyedflib")

NAMES = ("F3", "F4", "P3", "P4")
SFREQ = 128
CLIPS = (("sad", 10.0), ("glad", 30.0), ("sad", 50.0), ("glad", 70.0))  # Condition and onset; 15 s each.
SECONDS = 90


def write_edf(path: Path, eeg: np.ndarray, other: np.ndarray, label: str = "ECG", unit: str = "uV") -> Path:
    """Micro-units in 16 bits, 0.1 a step, rounded down."""
    data = np.concatenate([eeg, other]) * 1e6
    headers = [
        {
            "label": name,
            "dimension": unit if name == label else "uV",
            "sample_frequency": SFREQ,
            "physical_min": -3276.8,
            "physical_max": 3276.7,
            "digital_min": -32768,
            "digital_max": 32767,
        }
        for name in (*NAMES, label)
    ]
    with pyedflib.EdfWriter(str(path), len(headers), file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setSignalHeaders(headers)
        writer.writeSamples(list(data))
    return path


def write_bdf(path: Path, data: np.ndarray) -> Path:
    headers = pyedflib.highlevel.make_signal_headers(
        [*NAMES, "ECG"], "uV", SFREQ, -3000, 3000, -8388608, 8388607
    )
    with pyedflib.EdfWriter(str(path), len(headers), file_type=pyedflib.FILETYPE_BDFPLUS) as writer:
        writer.setSignalHeaders(headers)
        writer.writeSamples(list(data * 1e6))
    return path


def recording(subject: int) -> tuple[np.ndarray, np.ndarray]:
    """A rest with clips in it, glad ones of high valence."""
    world = World()
    eeg, ecg = np.zeros((len(NAMES), SECONDS * SFREQ)), np.zeros((1, SECONDS * SFREQ))
    for start in range(0, SECONDS, 5):
        clip = next((c for c, (_, onset) in enumerate(CLIPS) if onset <= start < onset + 15), None)
        valence = 0.0 if clip is None else (1.0 if CLIPS[clip][0] == "glad" else -1.0)
        moment = Moment(subject=subject, trial=start, stimulus=0, valence=valence)
        part = slice(start * SFREQ, (start + 5) * SFREQ)
        eeg[:, part] = simulate_eeg(world, moment, ch_names=NAMES, sfreq=SFREQ, n_times=5 * SFREQ)
        ecg[:, part] = simulate_ecg(world, moment, sfreq=SFREQ, n_times=5 * SFREQ)
    return eeg, ecg


def write_study(root: Path, *, n_subjects: int = 3, has_events: bool = True) -> Path:
    import mne

    scratch = root.parent / f"{root.name}-scratch"
    scratch.mkdir()
    for subject in range(n_subjects):
        raw = mne.io.read_raw_edf(write_edf(scratch / f"{subject}.edf", *recording(subject)), verbose="error")
        raw.set_channel_types({"ECG": "ecg"}, verbose="error")
        if has_events:
            onsets, names = [onset for _, onset in CLIPS], [name for name, _ in CLIPS]
            raw.set_annotations(mne.Annotations(onsets, [15.0] * len(CLIPS), names), verbose="error")
        path = mne_bids.BIDSPath(subject=f"{subject + 1:02d}", task="clips", datatype="eeg", root=root)
        mne_bids.write_raw_bids(raw, path, overwrite=True, verbose="error")
    return root


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("bids") / "study")


@pytest.fixture
def own(study, tmp_path):
    """A copy to be spoilt."""
    return Path(shutil.copytree(study, tmp_path / "own"))


def eeg_file(root: Path, ending: str, subject: str = "01") -> Path:
    return root / f"sub-{subject}" / "eeg" / f"sub-{subject}_task-clips_{ending}"


def write_physio(root: Path, columns: dict[str, np.ndarray], **sidecar: Any) -> Path:
    folder = root / "sub-01" / "eeg"
    folder.mkdir(parents=True, exist_ok=True)
    about = {"SamplingFrequency": 4.0, "StartTime": 0.0, "Columns": list(columns)} | sidecar
    (folder / "sub-01_task-clips_physio.json").write_text(json.dumps(about))
    rows = [
        "\t".join("n/a" if np.isnan(v) else f"{v:.12f}" for v in row)
        for row in zip(*columns.values(), strict=True)
    ]
    path = folder / "sub-01_task-clips_physio.tsv.gz"
    path.write_bytes(gzip.compress(("\n".join(rows) + "\n").encode()))
    return path


def read(root: Path, **options: Any):
    exclusions: list[Exclusion] = []
    return list(bids(root, **options).read(root, report=exclusions.append)), exclusions


class TestWhatMneBidsWrites:
    def test_events_become_trials_with_the_samples_of_the_file_in_volts(self, study):
        dataset = bids(study)
        assert (dataset.n_subjects, dataset.sfreqs) == (3, {"eeg": 128.0, "ecg": 128.0})
        assert dataset.ch_names == {"eeg": NAMES, "ecg": ("ECG",)}
        trials, exclusions = read(study)
        assert exclusions == []
        assert [(t.subject, t.trial, t.condition, t.order, t.elapsed) for t in trials[:2]] == [
            ("01", "clips-001", "sad", 0, 10.0),
            ("01", "clips-002", "glad", 1, 30.0),
        ]
        eeg, ecg = recording(2)
        part = slice(70 * SFREQ, 85 * SFREQ)
        assert_allclose(trials[-1].signal("eeg").data, eeg[:, part], atol=0.11e-6)
        assert_allclose(trials[-1].signal("ecg").data, ecg[:, part], atol=0.11e-6)
        assert trials[-1].signal("eeg").start == 0.0
        assert trials[-1].duration == 15.0

    def test_a_recording_without_events_is_one_trial_named_by_its_task(self, tmp_path):
        root = write_study(tmp_path / "study", n_subjects=1, has_events=False)
        (trial,) = read(root)[0]
        assert (trial.trial, trial.condition, trial.stimulus, trial.duration) == (
            "clips",
            "clips",
            "clips",
            90.0,
        )
        assert list(bids(root).tasks) == ["task"]

    def test_a_bad_channel_is_nan_and_named_in_the_tags(self, own):
        table = eeg_file(own, "channels.tsv")
        lines = table.read_text().splitlines()
        table.write_text(
            "\n".join(line.replace("good", "bad") if line.startswith("F4") else line for line in lines) + "\n"
        )
        first = read(own)[0][0]
        assert np.isnan(first.signal("eeg").data).all(axis=1).tolist() == [False, True, False, False]
        assert first.tags == ("bad channels: F4",)

    def test_an_event_named_bad_flags_samples_and_is_no_trial(self, own):
        with eeg_file(own, "events.tsv").open("a") as stream:
            header = eeg_file(own, "events.tsv").read_text().splitlines()[0].split("\t")
            fields = {"onset": "12", "duration": "3", "trial_type": "BAD_moved"}
            stream.write("\t".join(fields.get(name, "1") for name in header) + "\n")
        trials, _ = read(own)
        assert [trial.condition for trial in trials[:4]] == ["sad", "glad", "sad", "glad"]
        flags = trials[0].signal("eeg").flags
        assert np.flatnonzero(flags).tolist() == list(range(2 * SFREQ, 5 * SFREQ))

    def test_check_finds_it_good_and_evaluate_runs_by_name(self, study, tmp_path):
        assert check(get("bids", study), study).verdict == "good"
        arguments = ["evaluate", "bids", study, "--task", "trial_type", "--model", "lda", "--jobs", 1]
        outcome = CliRunner().invoke(app, [str(a) for a in [*arguments, "--out", tmp_path / "out"]])
        assert outcome.exit_code == 0, outcome.stderr
        assert "3 people, 12 trials, 36 windows" in " ".join(outcome.stdout.split())
        assert "loso" in outcome.stdout

    def test_real_recordings_say_the_same_through_bids(self, real_data, tmp_path):
        import mne

        source = real_data / "realeeg" / "eegmat"
        for name, condition in (("Subject00_1", "rest"), ("Subject00_2", "arithmetic")):
            raw = mne.io.read_raw_edf(source / f"{name}.edf", verbose="error")
            raw.set_channel_types({"ECG ECG": "ecg", "EEG A2-A1": "misc"}, verbose="error")
            path = mne_bids.BIDSPath(subject="00", task=condition, datatype="eeg", root=tmp_path / "b")
            mne_bids.write_raw_bids(raw, path, overwrite=True, verbose="error")
        trials = {trial.condition: trial for trial in read(tmp_path / "b")[0]}
        task = list(EEGMAT.read(source, subjects=["Subject00"]))[1]
        ours = trials["arithmetic"].signal("eeg").data[:, :30_000]
        assert_allclose(ours, task.signal("eeg").data, atol=1e-12)
        assert bids(tmp_path / "b").tasks["task"].classes == ("arithmetic", "rest")


class TestRatingsAndTasks:
    def rate(self, root: Path, values: str = "1234") -> Path:
        for subject in ("01", "02", "03"):
            path = eeg_file(root, "events.tsv", subject)
            header, *rows = path.read_text().splitlines()
            body = [
                f"{row}\t{value}\tclip{k}" for k, (row, value) in enumerate(zip(rows, values, strict=True))
            ]
            path.write_text("\n".join([f"{header}\tvalence\tstimulus", *body]) + "\n")
        return root

    def test_numbers_in_events_are_ratings_and_stimulus_names_the_clip(self, own):
        trials, _ = read(self.rate(own))
        assert [trial.ratings["valence"] for trial in trials[:4]] == [1, 2, 3, 4]
        assert trials[1].stimulus == "clip1"
        assert list(bids(own).tasks) == ["trial_type", "valence_score"]

    def test_a_threshold_or_a_described_scale_makes_low_and_high(self, own):
        self.rate(own)
        asked = bids(own, thresholds={"valence": 3}).tasks["valence"]
        trials, _ = read(own)
        assert [asked.target(trial) for trial in trials[:4]] == ["low", "low", "low", "high"]
        for subject in ("01", "02", "03"):
            path = eeg_file(own, "events.json", subject)
            content = json.loads(path.read_text()) if path.is_file() else {}
            path.write_text(json.dumps(content | {"valence": {"Minimum": 1, "Maximum": 4}}))
        described = bids(own)
        assert described.ratings == {"valence": (1.0, 4.0)}
        assert "low up to 2.5, high above" in described.tasks["valence"].description
        assert [described.tasks["valence"].target(trial) for trial in trials[:4]] == [
            "low",
            "low",
            "high",
            "high",
        ]
        with pytest.raises(DataError, match="threshold for 'joy', but no such rating; there is valence"):
            bids(own, thresholds={"joy": 3})

    def test_a_ratings_table_is_joined_by_the_columns_it_has(self, own):
        rows = ["participant_id\ttrial\tarousal", "sub-01\t2\t7", "sub-02\t1\tn/a", "03\t4\t5"]
        (own / "ratings.tsv").write_text("\n".join(rows) + "\n")
        rated = {(t.subject, t.trial): dict(t.ratings) for t in read(own)[0] if t.ratings}
        assert rated == {("01", "clips-002"): {"arousal": 7.0}, ("03", "clips-004"): {"arousal": 5.0}}

    def test_columns_of_participants_count_when_asked_for(self, own):
        rows = ["participant_id\tstai", "sub-01\t40", "sub-02\t50", "sub-03\tn/a", "sub-04\t20"]
        (own / "participants.tsv").write_text("\n".join(rows) + "\n")
        trials, _ = read(own, person_ratings=["stai"])
        assert {t.subject: t.ratings.get("stai") for t in trials} == {"01": 40.0, "02": 50.0, "03": None}
        result = check(bids(own), own)
        assert result.is_good
        assert "3 of 4 subjects are here: 01, 02, 03." in result.notes

    def test_own_tasks_come_first(self, own):
        task = condition_task("gladness", {"glad": "yes", "sad": "no"})
        assert next(iter(bids(own, tasks=[task]).tasks)) == "gladness"
        assert [task.target(trial) for trial in read(own)[0][:2]] == ["no", "yes"]


class TestPhysio:
    def test_columns_become_signals_in_our_units_cut_at_the_event(self, own):
        eda = simulate_eda(World(), Moment(subject=0, trial=0, stimulus=0), sfreq=4, n_times=400)[0]
        columns = {
            "eda": 1e-3 * eda,
            "cardiac": np.arange(400.0),
            "trigger": np.zeros(400),
            "temperature": eda + 30,
        }
        columns["temperature"][41] = np.nan
        write_physio(own, columns, StartTime=-10.0, eda={"Units": "mS"}, temperature={"Units": "°C"})
        first = read(own)[0][0]
        assert_allclose(first.signal("eda").data[0], eda[80:140], atol=1e-5)
        assert (first.signal("eda").unit, first.signal("ppg").unit) == ("uS", "au")
        assert first.signal("temperature").unit == "degC"
        # StartTime -10 s: the event at 10 s is 20 s into the file.
        assert first.signal("ppg").data[0, 0] == 80.0
        assert first.signal("ppg").start == 0.0
        assert "trigger" not in first.signals

    def test_n_a_is_nan(self, own):
        values = np.arange(400.0)
        values[41] = np.nan
        write_physio(own, {"respiratory": values})
        resp = read(own)[0][0].signal("resp")
        assert np.flatnonzero(np.isnan(resp.data[0])).tolist() == [1]

    def test_a_set_of_physio_alone_is_a_data_set(self, tmp_path):
        (tmp_path / "dataset_description.json").write_text('{"Name": "Skin", "BIDSVersion": "1.9.0"}')
        write_physio(tmp_path, {"eda": np.linspace(1, 2, 400)}, eda={"Units": "uS"})
        dataset = bids(tmp_path)
        assert (dataset.title, dataset.sfreqs, dataset.window) == ("Skin", {"eda": 4.0}, 60.0)
        (trial,) = read(tmp_path)[0]
        assert trial.duration == 100.0

    def test_a_described_ecg_is_no_pulse(self, own):
        about = {"Description": "ECG lead II", "Units": "mV"}
        write_physio(own, {"cardiac": np.ones(400)}, cardiac=about)
        # The EEG file has an ECG of its own, which is the one kept.
        assert "ppg" not in read(own)[0][0].signals

    @pytest.mark.parametrize(
        ("sidecar", "sentence"),
        [
            ({"SamplingFrequency": 0}, "has SamplingFrequency 0, StartTime"),
            ({"StartTime": "soon"}, "StartTime 'soon'"),
            ({"Columns": "eda"}, "Columns 'eda'"),
            (
                {"Columns": ["eda", "b", "c"]},
                "1 columns and 400 rows of numbers; its sidecar names 3 columns",
            ),
        ],
    )
    def test_a_sidecar_that_does_not_fit_is_refused(self, own, sidecar, sentence):
        write_physio(own, {"eda": np.ones(400)}, **sidecar)
        _, exclusions = read(own)
        assert [item.subject for item in exclusions] == ["01"]
        assert sentence in exclusions[0].reason

    def test_a_missing_sidecar_or_a_damaged_file_is_refused(self, own):
        path = write_physio(own, {"eda": np.linspace(0, 1, 400)})
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        assert "cannot be unpacked" in read(own)[1][0].reason
        path.write_bytes(gzip.compress(b"onset\tduration\n1\t2\n"))
        assert "is no table of numbers" in read(own)[1][0].reason
        path.write_bytes(gzip.compress(b""))
        assert "is empty" in read(own)[1][0].reason
        (path.parent / "sub-01_task-clips_physio.json").unlink()
        assert "has no sidecar: expected sub-01_task-clips_physio.json" in read(own)[1][0].reason

    def test_a_small_file_that_expands_to_much_is_counted_before_memory_is_taken(self, own):
        path = write_physio(own, {"eda": np.ones(4)})
        path.write_bytes(gzip.compress(b"1\n" * (2**25 + 1)))
        assert path.stat().st_size < 100_000
        tracemalloc.start()
        (left,) = read(own)[1]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert f"has {2**25 + 1} rows, of which 1 columns would be kept; at most {2**25}" in left.reason
        assert peak < 30e6

    def test_a_long_file_takes_its_numbers_and_little_more(self, tmp_path):
        (tmp_path / "dataset_description.json").write_text('{"Name": "Skin"}')
        path = write_physio(tmp_path, {"eda": np.ones(4), "trigger": np.ones(4)})
        ramp = np.arange(1_500_000)
        path.write_bytes(gzip.compress(b"".join(b"%d\t1\r\n" % value for value in ramp.tolist()), 1))
        dataset = bids(tmp_path)
        tracemalloc.start()
        (trial,) = dataset.read(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        np.testing.assert_array_equal(trial.signal("eda").data[0], ramp)
        # Once as read and once as cut out, with their flags, and 2 x 16 bytes a line of one block.
        assert peak < 2 * 9 * len(ramp) + 15e6

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (b"1\n\n2\n", "has 1 empty lines between others"),
            (b"1\n" + b"\t" * 2**21, "a line has more than 65536 characters"),
            (b"1\n2\t3\n", "is no table of numbers"),
        ],
    )
    def test_an_uneven_table_is_refused(self, own, text, sentence):
        write_physio(own, {"eda": np.ones(4)}).write_bytes(gzip.compress(text))
        assert sentence in read(own)[1][0].reason

    def test_empty_lines_at_the_end_do_not_count(self, own):
        path = write_physio(own, {"eda": np.arange(400.0)})
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\n" * 2**21))
        assert read(own)[0][0].signal("eda").data[0, 0] == 40.0

    @pytest.mark.parametrize("tenth", range(10))
    def test_a_file_cut_at_any_tenth_is_refused(self, own, tenth):
        path = write_physio(own, {"eda": np.random.default_rng(0).random(400)})
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * tenth // 10])
        assert "cannot be unpacked" in (reason := read(own)[1][0].reason) or "is empty" in reason


def move_and_link(path: Path, place: Path) -> None:
    """Put a file, or a folder, elsewhere and a relative link where it was."""
    place.parent.mkdir(parents=True, exist_ok=True)
    path.rename(place)
    path.symlink_to(os.path.relpath(place, path.parent))


class TestLinks:
    def test_links_into_git_annex_of_the_same_data_set_are_followed(self, own):
        whole = read(own)[0]
        for number, path in enumerate(own.glob("sub-*/eeg/*")):
            move_and_link(path, own / ".git" / "annex" / "objects" / str(number) / path.name)
        for one, other in zip(whole, read(own)[0], strict=True):
            assert_allclose(one.signal("eeg").data, other.signal("eeg").data, rtol=0)
        assert check(bids(own), own).is_good

    def test_the_whole_data_set_may_lie_behind_a_link(self, study, tmp_path):
        (tmp_path / "link").symlink_to(study)
        assert len(read(tmp_path / "link")[0]) == 12

    @pytest.mark.parametrize(
        "name",
        [
            "sub-01/eeg/sub-01_task-clips_eeg.edf",
            "sub-01/eeg/sub-01_task-clips_channels.tsv",
            "sub-01/sub-01_scans.tsv",
            "sub-01/eeg",
            "sub-01",
            "participants.tsv",
            "dataset_description.json",
        ],
    )
    def test_links_out_of_the_data_set_are_refused(self, own, name):
        move_and_link(own / name, own.parent / "private" / Path(name).name)
        match = (
            rf"{own.name}/.* is a link to .*private/.*, which lies outside the data set .*git annex unlock"
        )
        with pytest.raises(DataError, match=match):
            bids(own)

    def test_a_link_to_itself_or_to_nothing_is_no_file(self, own):
        (own / "sub-01" / "eeg" / "loop.tsv").symlink_to("loop.tsv")
        path = eeg_file(own, "eeg.edf", "03")
        path.unlink()
        path.symlink_to(own / ".git" / "annex" / "objects" / "not-fetched")
        assert {trial.subject for trial in read(own)[0]} == {"01", "02"}


def write_eeglab(root: Path, *, data: Any) -> Path:
    """A header that holds the samples in microvolts, or the name of the file that does."""
    folder = root / "sub-01" / "eeg"
    folder.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "Set", "BIDSVersion": "1.9.0"}')
    (folder / "sub-01_task-clips_eeg.json").write_text(json.dumps({"SamplingFrequency": SFREQ}))
    rows = ["name\ttype\tunits", *(f"{name}\tEEG\tuV" for name in NAMES)]
    (folder / "sub-01_task-clips_channels.tsv").write_text("\n".join(rows) + "\n")
    places = np.array([(name, k) for k, name in enumerate(NAMES)], dtype=[("labels", "O"), ("urchan", "O")])
    content = {
        "setname": "set",
        "nbchan": float(len(NAMES)),
        "trials": 1.0,
        "srate": float(SFREQ),
        "pnts": float(SECONDS * SFREQ),
        "xmin": 0.0,
        "xmax": SECONDS - 1 / SFREQ,
        "data": data,
        "chanlocs": places,
        "event": np.empty((0, 0)),
        "epoch": np.empty((0, 0)),
    }
    path = folder / "sub-01_task-clips_eeg.set"
    savemat(path, {"EEG": content}, appendmat=False)
    return path


class TestEeglab:
    @pytest.mark.parametrize("is_apart", [False, True], ids=["set", "set and fdt"])
    def test_samples_in_the_header_or_beside_it_come_in_volts(self, tmp_path, is_apart):
        microvolts = (1e6 * recording(0)[0]).astype("<f4")
        path = write_eeglab(tmp_path, data="sub-01_task-clips_eeg.fdt" if is_apart else microvolts)
        if is_apart:
            path.with_suffix(".fdt").write_bytes(microvolts.tobytes(order="F"))
        assert bids(tmp_path).ch_names == {"eeg": NAMES}
        (trial,) = read(tmp_path)[0]
        assert trial.duration == SECONDS
        assert_allclose(trial.signal("eeg").data, 1e-6 * microvolts, rtol=1e-6)

    def test_samples_of_another_folder_are_refused(self, tmp_path):
        private = tmp_path / "private.fdt"
        private.write_bytes(bytes(4 * len(NAMES) * SECONDS * SFREQ))
        for number, name in enumerate(("../../../private.fdt", str(private))):
            root = tmp_path / str(number)
            write_eeglab(root, data=name)
            with pytest.raises(DataError, match=r"names the file .*private\.fdt'; expected a file of"):
                list(bids(root).read(root))

    def test_a_header_that_is_missing_its_samples_or_cut_is_refused(self, tmp_path):
        path = write_eeglab(tmp_path, data="sub-01_task-clips_eeg.fdt")
        assert "_eeg.fdt not found" in read(tmp_path)[1][0].reason
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert "cannot be read: it is cut short" in read(tmp_path)[1][0].reason


@pytest.mark.filterwarnings("ignore:Encountered unsupported non-voltage units")
def test_skin_conductance_in_a_brainvision_file_comes_in_microsiemens(tmp_path):
    import mne

    pytest.importorskip("pybv")
    eeg, _ = recording(0)
    skin = simulate_eda(World(), Moment(subject=0, trial=0, stimulus=0), sfreq=SFREQ, n_times=SECONDS * SFREQ)
    info = mne.create_info([*NAMES, "GSR1"], SFREQ, ["eeg"] * len(NAMES) + ["gsr"])
    raw = mne.io.RawArray(np.concatenate([eeg, 1e-6 * skin]), info, verbose="error")
    path = mne_bids.BIDSPath(subject="01", task="clips", datatype="eeg", root=tmp_path)
    mne_bids.write_raw_bids(
        raw, path, allow_preload=True, format="BrainVision", overwrite=True, verbose="error"
    )
    assert bids(tmp_path).sfreqs == {"eeg": 128.0, "eda": 128.0}
    (trial,) = read(tmp_path)[0]
    assert (trial.signal("eda").unit, trial.signal("eda").ch_names) == ("uS", ("GSR1",))
    assert_allclose(trial.signal("eda").data, skin, rtol=1e-6)
    assert trial.signal("eeg").ch_names == NAMES


@pytest.fixture(scope="module", params=["edf", "bdf", "vhdr", "set", "fdt"])
def one_recording(request, tmp_path_factory):
    """A data set of one short recording, and its files that are no text."""
    import mne

    root = tmp_path_factory.mktemp(request.param) / "study"
    if request.param in ("set", "fdt"):
        microvolts = (1e6 * recording(0)[0]).astype("<f4")
        path = write_eeglab(root, data="sub-01_task-clips_eeg.fdt" if request.param == "fdt" else microvolts)
        if request.param == "fdt":
            path.with_suffix(".fdt").write_bytes(microvolts.tobytes(order="F"))
    elif request.param == "vhdr":
        pytest.importorskip("pybv")
        info = mne.create_info(list(NAMES), SFREQ, "eeg")
        raw = mne.io.RawArray(recording(0)[0], info, verbose="error")
        place = mne_bids.BIDSPath(subject="01", task="clips", datatype="eeg", root=root)
        options: dict[str, Any] = {"allow_preload": True, "format": "BrainVision", "verbose": "error"}
        mne_bids.write_raw_bids(raw, place, **options)
    else:
        write_study(root, n_subjects=1, has_events=False)
        if request.param == "bdf":
            source = eeg_file(root, "eeg.edf")
            raw = mne.io.read_raw_edf(source, verbose="error")
            write_bdf(source.with_suffix(".bdf"), raw.get_data())
            source.unlink()
    assert len(read(root)[0]) == 1
    files = [p for p in (root / "sub-01" / "eeg").iterdir() if p.suffix not in (".json", ".tsv")]
    return root, {path: path.read_bytes() for path in files}


def read_damaged(root: Path) -> None:
    """Whatever is in the file: a trial, or a sentence that names it."""
    trials, exclusions = read(root)
    assert len(trials) + len(exclusions) == 1
    assert all("sub-01_task-clips" in item.reason for item in exclusions)


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.filterwarnings("ignore")  # mne's, about what it finds.
def test_recordings_cut_at_any_tenth_are_refused_or_shorter(one_recording, tenth):
    root, contents = one_recording
    for path, content in contents.items():
        path.write_bytes(content[: len(content) * tenth // 10])
        try:
            read_damaged(root)
        finally:
            path.write_bytes(content)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_damaged_recordings_are_refused_in_a_sentence_or_read(one_recording, data):
    root, contents = one_recording
    path = data.draw(st.sampled_from(sorted(contents)))
    changed = bytearray(contents[path])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, min(len(changed), 1600) - 1))
        damage = data.draw(st.binary(min_size=1, max_size=8) | st.sampled_from([b"-1      ", b"nan     "]))
        changed[place : place + len(damage)] = damage
    path.write_bytes(changed)
    try:
        read_damaged(root)
    finally:
        path.write_bytes(contents[path])


def test_skin_conductance_in_an_edf_file_comes_in_microsiemens(own):
    eeg, _ = recording(0)
    skin = simulate_eda(World(), Moment(subject=0, trial=0, stimulus=0), sfreq=SFREQ, n_times=SECONDS * SFREQ)
    for subject, unit in (("01", "uS"), ("02", "nS"), ("03", "")):
        write_edf(eeg_file(own, "eeg.edf", subject), eeg, 1e-6 * skin, "GSR", unit)
        table = eeg_file(own, "channels.tsv", subject)
        table.write_text(table.read_text().replace("ECG\tECG\tµV", f"GSR\tGSR\t{unit or 'n/a'}"))
    assert bids(own).sfreqs == {"eeg": 128.0, "eda": 128.0}
    trials = {trial.subject: trial.signal("eda") for trial in read(own)[0] if trial.trial == "clips-001"}
    assert {subject: eda.unit for subject, eda in trials.items()} == {"01": "uS", "02": "uS", "03": "au"}
    part = skin[:, 10 * SFREQ : 25 * SFREQ]
    assert_allclose(trials["01"].data, part, atol=0.11)
    assert_allclose(trials["02"].data, 1e-3 * part, atol=0.11e-3)


def test_sidecars_of_the_root_and_of_the_subject_apply_the_nearer_before_the_farther(own):
    for subject in ("01", "02", "03"):
        eeg_file(own, "eeg.json", subject).rename(own / "task-clips_eeg.json")
        eeg_file(own, "channels.tsv", subject).rename(own / "task-clips_channels.tsv")
    assert bids(own).sfreqs == {"eeg": 128.0, "ecg": 128.0}
    assert len(read(own)[0]) == 12
    # A sidecar of another task says nothing of this one.
    (own / "task-rest_eeg.json").write_text('{"SamplingFrequency": 1}')
    write_physio(own, {"eda": np.arange(400.0)}).with_name("sub-01_task-clips_physio.json").unlink()
    (own / "task-clips_physio.json").write_text(
        '{"SamplingFrequency": 2, "StartTime": 0, "Columns": ["eda"], "eda": {"Units": "nS"}}'
    )
    (own / "sub-01" / "sub-01_physio.json").write_text('{"SamplingFrequency": 4}')
    eda = read(own)[0][0].signal("eda")
    assert (eda.sfreq, eda.unit) == (4.0, "uS")
    assert_allclose(eda.data[0], 1e-3 * np.arange(40, 100))


class TestBadInput:
    def test_no_description(self, own):
        (own / "dataset_description.json").unlink()
        with pytest.raises(
            DataError, match=r"has no dataset_description\.json, so it is no BIDS data set; it has"
        ):
            bids(own)
        with pytest.raises(DataError, match="There is no folder"):
            bids(own / "nowhere")

    def test_no_recordings(self, own):
        for folder in own.glob("sub-*"):
            shutil.rmtree(folder)
        with pytest.raises(DataError, match=r"has no EEG .* and no physio recording"):
            bids(own)

    def test_no_recording_of_the_task(self, study):
        with pytest.raises(DataError, match="of task-rest in"):
            bids(study, task="rest")

    def test_the_family_needs_its_folder(self):
        with pytest.raises(DataError, match="is told by its folder: pass root"):
            get("bids")

    def test_missing_mne_bids_says_how_to_install_it(self, study, monkeypatch):
        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name == "mne_bids" else find(name)
        )
        with pytest.raises(DataError, match=r'pip install "physioaffect\[bids\]"'):
            bids(study)

    def test_missing_channels(self, own):
        eeg_file(own, "channels.tsv").unlink()
        trials, exclusions = read(own)
        assert {trial.subject for trial in trials} == {"02", "03"}
        assert "has no sub-01_task-clips_channels.tsv, so nobody knows which channels" in exclusions[0].reason
        for subject in ("02", "03"):
            eeg_file(own, "channels.tsv", subject).unlink()
        with pytest.raises(DataError, match="so nobody knows which channels are EEG"):
            bids(own)

    def test_an_event_outside_the_recording_is_reported_and_the_others_read(self, own):
        path = eeg_file(own, "events.tsv")
        path.write_text(path.read_text().replace("70.0", "80.0"))
        trials, exclusions = read(own)
        assert len(trials) == 11
        (left,) = exclusions
        assert (left.subject, left.trial, left.expected) == ("01", "clips-004", False)
        assert "'glad' from 80 to 95 s lies outside the recording" in left.reason
        result = check(bids(own), own)
        assert not result.is_good
        assert "lies outside the recording" in result.deviations[0]

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"onset\ttrial_type\n1\ta\n", "lacks the column duration"),
            (b"onset\tduration\ttrial_type\n1\t2\n", "has 2 fields in line 2, its header 3"),
            (b"onset\tduration\ttrial_type\nsoon\t2\ta\n", "has the onset 'soon', expected seconds"),
            (b"onset\tonset\tduration\n1\t2\t3\n", "has two columns of one name"),
            (b"\xff\xfeo\0n\0", "is not a text in UTF-8"),
        ],
    )
    def test_a_broken_events_table(self, own, content, sentence):
        eeg_file(own, "events.tsv").write_bytes(content)
        _, exclusions = read(own)
        assert [item.subject for item in exclusions] == ["01"]
        assert sentence in exclusions[0].reason

    def test_broken_json(self, own):
        (own / "dataset_description.json").write_text("{")
        with pytest.raises(DataError, match="is not valid JSON"):
            bids(own)
        (own / "dataset_description.json").write_text("[1]")
        with pytest.raises(DataError, match="holds list, expected a JSON object"):
            bids(own)
        (own / "dataset_description.json").write_text("[" * 100_000)
        with pytest.raises(DataError, match="is not valid JSON"):
            bids(own)

    def test_a_truncated_recording_is_that_persons_alone(self, own):
        path = eeg_file(own, "eeg.edf", "02")
        path.write_bytes(path.read_bytes()[:200])
        trials, exclusions = read(own)
        assert {trial.subject for trial in trials} == {"01", "03"}
        assert "sub-02_task-clips_eeg.edf cannot be read by mne-bids" in exclusions[0].reason

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        content=st.one_of(
            st.binary(max_size=60), st.text(alphabet="\t\n0123n/a.-", max_size=60).map(str.encode)
        )
    )
    def test_any_bytes_in_a_table_give_trials_or_a_sentence(self, tmp_path, content):
        root = tmp_path / "skin"
        root.mkdir(exist_ok=True)
        (root / "dataset_description.json").write_text('{"Name": "Skin"}')
        path = write_physio(root, {"eda": np.ones(40)})
        path.write_bytes(gzip.compress(content))
        (path.parent / "sub-01_task-clips_events.tsv").write_bytes(b"onset\tduration\ttrial_type\n" + content)
        try:
            dataset = bids(root)
        except DataError:
            return
        list(dataset.read(root, report=lambda _: None))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["SamplingFrequency", "StartTime", "Columns", "eda", "valence"])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(KEYS, JSON, min_size=1), ending=st.sampled_from(["physio", "events"]))
def test_any_sidecar_gives_trials_or_a_sentence(tmp_path, changes, ending):
    root = tmp_path / "skin"
    root.mkdir(exist_ok=True)
    (root / "dataset_description.json").write_text('{"Name": "Skin"}')
    path = write_physio(root, {"eda": np.ones(40)}, eda={"Units": "uS"})
    sidecar = path.with_name(f"sub-01_task-clips_{ending}.json")
    about = json.loads(sidecar.read_text()) if ending == "physio" else {}
    sidecar.write_text(json.dumps(about | changes))
    try:
        dataset = bids(root)
    except DataError:
        return
    list(dataset.read(root, report=lambda _: None))


def test_sessions_and_runs_are_told_apart_and_brainvision_is_read(tmp_path):
    import mne

    pytest.importorskip("pybv")
    eeg, ecg = recording(0)
    info = mne.create_info([*NAMES, "ECG"], SFREQ, ["eeg"] * len(NAMES) + ["ecg"])
    for subject in ("01", "02"):
        for session in ("mon", "tue"):
            for run in (1, 2):
                raw = mne.io.RawArray(np.concatenate([eeg, ecg]), info, verbose="error")
                raw.set_annotations(
                    mne.Annotations([10.0, 30.0], [15.0] * 2, ["sad", "glad"]), verbose="error"
                )
                path = mne_bids.BIDSPath(
                    subject=subject, session=session, run=run, task="clips", datatype="eeg", root=tmp_path
                )
                mne_bids.write_raw_bids(
                    raw, path, allow_preload=True, format="BrainVision", overwrite=True, verbose="error"
                )
    trials = list(bids(tmp_path).read(tmp_path))
    assert len(trials) == 2 * 2 * 2 * 2
    places = {(t.subject, t.session, t.trial) for t in trials}
    assert len(places) == len(trials)
    assert {t.session for t in trials} == {"mon", "tue"}
    of_monday = [t for t in trials if (t.subject, t.session) == (trials[0].subject, "mon")]
    assert [t.order for t in of_monday] == [0, 1, 2, 3]
    assert [t.condition for t in of_monday] == ["sad", "glad", "sad", "glad"]
    first = of_monday[0].signal("eeg")
    assert first.unit == "V"
    # BrainVision keeps 0.1 uV a step.
    assert_allclose(first.data, eeg[:, 10 * SFREQ : 25 * SFREQ], atol=1.1e-7)


def test_a_header_that_names_files_elsewhere_is_refused(tmp_path):
    import mne

    pytest.importorskip("pybv")
    info = mne.create_info([*NAMES, "ECG"], SFREQ, ["eeg"] * len(NAMES) + ["ecg"])
    raw = mne.io.RawArray(np.concatenate(recording(0)), info, verbose="error")
    path = mne_bids.BIDSPath(subject="01", task="clips", datatype="eeg", root=tmp_path)
    mne_bids.write_raw_bids(
        raw, path, allow_preload=True, format="BrainVision", overwrite=True, verbose="error"
    )
    header = eeg_file(tmp_path, "eeg.vhdr")
    header.write_text(header.read_text().replace("DataFile=", "DataFile=../../../"))
    with pytest.raises(
        DataError, match=r"names the file '\.\./\.\./\.\./sub-01.*expected a file of the same"
    ):
        list(bids(tmp_path).read(tmp_path))


def test_a_file_in_another_persons_folder_is_refused(own):
    stray = eeg_file(own, "eeg.edf").with_name("sub-02_task-clips_run-9_eeg.edf")
    shutil.copyfile(eeg_file(own, "eeg.edf"), stray)
    with pytest.raises(DataError, match="lies in a folder of another subject or session than its name says"):
        bids(own)
