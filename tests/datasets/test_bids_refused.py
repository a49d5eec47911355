"""BIDS: what is refused, and that damaged files give trials or a sentence."""

import gzip
import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from support.bids import (
    NAMES,
    SFREQ,
    eeg_file,
    mne_bids,
    read,
    recording,
    write_bdf,
    write_eeglab,
    write_physio,
    write_study,
)

from physioaffect.datasets import bids, check, get
from physioaffect.errors import DataError


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


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        with pytest.raises(DataError, match="Where is the data set bids"):
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

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
