"""BIDS: what mne-bids writes is read back, in every format, with ratings and tasks from the data."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.bids import (
    NAMES,
    SECONDS,
    SFREQ,
    eeg_file,
    mne_bids,
    read,
    recording,
    write_edf,
    write_eeglab,
    write_physio,
    write_study,
)
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
    simulate_conductance,
)
from physioaffect.errors import DataError


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
    skin = simulate_conductance(
        World(), Moment(subject=0, trial=0, stimulus=0), sfreq=SFREQ, n_times=SECONDS * SFREQ
    )
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


def test_skin_conductance_in_an_edf_file_comes_in_microsiemens(own):
    eeg, _ = recording(0)
    skin = simulate_conductance(
        World(), Moment(subject=0, trial=0, stimulus=0), sfreq=SFREQ, n_times=SECONDS * SFREQ
    )
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
