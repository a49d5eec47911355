"""Signals, events and data sets, and the way to MNE and back."""

import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from physioaffect.data_set import DataSet, Exclusion, Report, Task
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal, Trial


def make_signal(n_times: int = 400, sfreq: float = 100.0, **changes: Any) -> Signal:
    data = np.random.default_rng(0).normal(scale=1e-5, size=(3, n_times))
    settings = {"ch_names": ("O1", "O2", "Cz"), "kind": "eeg", "unit": "V"} | changes
    return Signal(data=data, sfreq=sfreq, **settings)


def flags_at(n_times: int, *stretches: tuple[int, int, Flag]) -> NDArray[np.uint8]:
    flags = np.zeros(n_times, dtype=np.uint8)
    for first, last, flag in stretches:
        flags[first:last] |= np.uint8(flag)
    return flags


def test_times_follow_from_the_start_and_the_rate() -> None:
    signal = make_signal(5, 4.0, start=-0.5)
    assert_array_equal(signal.times, [-0.5, -0.25, 0, 0.25, 0.5])
    assert (signal.duration, signal.stop) == (1.25, 0.75)
    assert (signal.n_channels, signal.n_times) == (3, 5)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "brain"}, "Unknown kind of signal 'brain': use one of acc, ecg"),
        ({"sfreq": 0.0}, "sfreq must be above 0 Hz, got 0"),
        ({"sfreq": float("nan")}, "sfreq must be above 0 Hz, got nan"),
        ({"data": np.zeros(3)}, r"got float64 of shape \(3,\)\. For one channel pass"),
        ({"data": np.zeros((3, 5), dtype=int)}, r"data must be floats of shape .* got int"),
        ({"ch_names": ("O1", "O2")}, "3 channels need 3 different names"),
        ({"ch_names": ("O1", "O2", "O1")}, "3 channels need 3 different names"),
        (
            {"flags": np.zeros(399, dtype=np.uint8)},
            r"flags must be uint8 of shape \(400,\).* got uint8 of shape",
        ),
        ({"flags": np.zeros(400)}, r"flags must be uint8 .* got float64"),
    ],
)
def test_an_impossible_signal_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(make_signal(), **changes)


@given(
    edges=st.tuples(st.integers(-50, 150), st.integers(-50, 150)).map(sorted),
    start=st.sampled_from([0.0, -2.0, 3.25]),
)
def test_cropping_keeps_the_samples_of_the_half_open_interval(edges: list[int], start: float) -> None:
    first, last = (edge / 10 for edge in edges)
    signal = make_signal(400, 40.0, start=start)
    cropped = signal.crop(first, last)
    is_inside = (signal.times >= first - 1e-9) & (signal.times < last - 1e-9)
    assert_array_equal(cropped.data, signal.data[:, is_inside])
    assert_allclose(cropped.times, signal.times[is_inside], atol=1e-12)
    moved = signal.crop(first, last, onset=first)
    assert_allclose(moved.times, cropped.times - first, atol=1e-12)


def test_cropping_without_an_end_keeps_the_rest() -> None:
    signal = make_signal(flags=flags_at(400, (390, 400, Flag.GAP)))
    rest = signal.crop(1, np.inf)
    assert_array_equal(rest.data, signal.data[:, 100:])
    assert_array_equal(rest.flags, signal.flags[100:])
    assert_array_equal(signal.crop(-np.inf, 1).data, signal.data[:, :100])
    assert np.shares_memory(rest.data, signal.data)


def test_picking_takes_channels_in_the_order_asked_for() -> None:
    signal = make_signal()
    picked = signal.pick(["Cz", "O1"])
    assert picked.ch_names == ("Cz", "O1")
    assert_array_equal(picked.data, signal.data[[2, 0]])
    with pytest.raises(ValueError, match="No channel 'Fz': there are O1, O2, Cz"):
        signal.pick(["O1", "Fz"])


def test_scaling_declares_the_unit() -> None:
    scaled = make_signal(unit="au").scaled(1e-6, unit="V")
    assert_allclose(scaled.data, make_signal().data * 1e-6)
    assert scaled.unit == "V"


def test_masked_data_is_missing_where_flagged() -> None:
    signal = make_signal()
    assert signal.masked is signal.data
    flagged = replace(signal, flags=flags_at(400, (10, 20, Flag.MOTION), (15, 30, Flag.FLAT)))
    assert_array_equal(np.flatnonzero(np.isnan(flagged.masked[1])), np.arange(10, 30))
    assert np.isfinite(flagged.data).all()


@pytest.mark.parametrize("kind", ["eeg", "ecg", "eog", "emg"])
@settings(max_examples=15)
@given(
    sfreq=st.sampled_from([4.0, 51.2, 128.0, 256.0, 500.0, 1000 / 3]),
    n_times=st.integers(2, 300),
    stretches=st.lists(
        st.tuples(st.integers(0, 299), st.integers(0, 300), st.sampled_from(Flag)), max_size=5
    ),
)
def test_to_mne_and_back(
    kind: str, sfreq: float, n_times: int, stretches: list[tuple[int, int, Flag]]
) -> None:
    signal = make_signal(n_times, sfreq, kind=kind, flags=flags_at(n_times, *stretches))
    raw = signal.to_mne()
    back = Signal.from_mne(raw, kind=kind)
    assert set(raw.get_channel_types()) == {kind}
    assert_array_equal(back.data, signal.data)
    assert_array_equal(back.flags, signal.flags)
    assert (back.ch_names, back.sfreq, back.kind, back.unit) == (signal.ch_names, sfreq, kind, "V")


def test_flags_become_annotations() -> None:
    raw = make_signal(flags=flags_at(400, (100, 150, Flag.OFF_BODY), (300, 400, Flag.CLIPPED))).to_mne()
    notes = {note["description"]: (note["onset"], note["duration"]) for note in raw.annotations}
    assert notes == {"bad_off_body": (1.0, 0.5), "bad_clipped": (3.0, 1.0)}


def test_what_mne_does_not_know_travels_as_misc() -> None:
    raw = make_signal(kind="hr", unit="bpm").to_mne()
    assert set(raw.get_channel_types()) == {"misc"}
    back = Signal.from_mne(raw, kind="hr")
    assert (back.kind, back.unit) == ("hr", "au")  # MNE's misc has no unit to tell.


def test_skin_conductance_is_in_siemens_in_mne_and_comes_back_in_microsiemens() -> None:
    signal = make_signal(kind="eda", unit="uS")
    raw = signal.to_mne()
    assert set(raw.get_channel_types()) == {"gsr"}
    np.testing.assert_allclose(raw.get_data(), 1e-6 * signal.data, rtol=1e-12)
    back = Signal.from_mne(raw, kind="eda")
    assert (back.kind, back.unit) == ("eda", "uS")
    np.testing.assert_allclose(back.data, signal.data, rtol=1e-12)


def test_microsiemens_under_the_type_of_siemens_are_refused() -> None:
    raw = mne.io.RawArray(np.full((1, 100), 5.0), mne.create_info(["EDA"], 4.0, "gsr"), verbose="error")
    with pytest.raises(ValueError, match=r"conductance of 5e\+06 microsiemens, in the median: .* in siemens"):
        Signal.from_mne(raw, kind="eda")
    mended = raw.apply_function(lambda x: x * 1e-6, picks="gsr")
    np.testing.assert_allclose(Signal.from_mne(mended, kind="eda").data, 5.0)


def test_skin_conductance_of_an_unknown_unit_is_misc_there_and_back() -> None:
    signal = make_signal(kind="eda", unit="au")
    raw = signal.to_mne()
    assert set(raw.get_channel_types()) == {"misc"}
    back = Signal.from_mne(raw, kind="eda")
    assert (back.kind, back.unit) == ("eda", "au")
    assert_array_equal(back.data, signal.data)


@pytest.mark.parametrize("has_date", [False, True])
@pytest.mark.parametrize("first_samp", [0, 50])
def test_annotations_of_a_cropped_recording_stay_where_they_are(has_date: bool, first_samp: int) -> None:
    info = mne.create_info(["O1"], 100.0, "eeg")
    raw = mne.io.RawArray(np.zeros((1, 1000)), info, first_samp=first_samp, verbose="error")
    if has_date:
        raw.set_meas_date(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    notes = mne.Annotations([5.0, 7.0, 8.0], [1.0, 0.5, 1.0], ["bad_flat", "BAD blink", "stimulus"])
    raw.set_annotations(notes)
    expected = flags_at(1000, (500, 600, Flag.FLAT), (700, 750, Flag.MOTION))
    assert_array_equal(Signal.from_mne(raw).flags, expected)
    assert_array_equal(Signal.from_mne(raw.copy().crop(2.0)).flags, expected[200:])
    assert_array_equal(Signal.from_mne(raw.copy().crop(5.5)).flags, expected[550:])


def test_channels_marked_bad_come_as_missing_and_the_recording_keeps_its_samples() -> None:
    raw = make_signal().to_mne()
    raw.info["bads"] = ["O2"]
    signal = Signal.from_mne(raw)
    assert signal.ch_names == ("O1", "O2", "Cz")
    assert_array_equal(np.isnan(signal.data).all(axis=1), [False, True, False])
    assert np.isfinite(raw.get_data()).all()


def test_only_channels_of_the_kind_are_taken() -> None:
    info = mne.create_info(["O1", "ECG", "O2"], 100.0, ["eeg", "ecg", "eeg"])
    raw = mne.io.RawArray(np.arange(300.0).reshape(3, 100), info, verbose="error")
    assert_array_equal(Signal.from_mne(raw).data, raw.get_data()[[0, 2]])
    assert Signal.from_mne(raw, kind="ecg").ch_names == ("ECG",)
    with pytest.raises(ValueError, match=r"no channel of type 'eog', only ecg, eeg\. Set the types"):
        Signal.from_mne(raw, kind="eog")


@pytest.mark.parametrize(("kind", "unit"), [("eeg", "au"), ("ecg", "uV"), ("temperature", "degF")])
def test_mne_gets_nothing_in_an_unknown_unit(kind: str, unit: str) -> None:
    with pytest.raises(
        ValueError, match=rf"MNE keeps {kind} in \w+, this signal is in '{unit}'.*signal\.scaled"
    ):
        make_signal(kind=kind, unit=unit).to_mne()


def test_events_are_cropped_half_open_and_shifted() -> None:
    events = Events(times=np.array([0.0, 1, 1, 2, 3]), values=np.arange(5.0), kind="beats")
    cropped = events.crop(1, 3)
    assert_array_equal(cropped.times, [1, 1, 2])
    assert_array_equal(cropped.values, [1, 2, 3])
    assert_array_equal(events.crop(1, 3, onset=1).times, [0, 0, 1])
    assert len(events.crop(5, 9).times) == 0


def test_impossible_events_are_refused() -> None:
    with pytest.raises(ValueError, match=r"equally long, got \(2,\) and \(3,\)"):
        Events(times=np.zeros(2), values=np.zeros(3), kind="beats")
    with pytest.raises(ValueError, match="times must not decrease"):
        Events(times=np.array([1.0, 0.5]), values=np.zeros(2), kind="beats")


def make_trial(subject: str, trial: str, signals: Mapping[str, Signal | Events] | None = None) -> Trial:
    signals = signals if signals is not None else {"eeg": make_signal()}
    return Trial(dataset="made up", subject=subject, trial=trial, stimulus=trial, signals=signals)


def test_a_trial_lasts_as_long_as_its_longest_signal() -> None:
    beats = Events(times=np.array([99.0]), values=np.zeros(1), kind="beats")
    signals: dict[str, Signal | Events] = {
        "eeg": make_signal(400),
        "ecg": make_signal(300, kind="ecg", start=2.0),
        "beats": beats,
    }
    assert make_trial("1", "1", signals).duration == 5.0
    assert make_trial("1", "1", {}).duration == 0.0


def test_a_trial_names_the_signals_that_it_has() -> None:
    beats = Events(times=np.zeros(0), values=np.zeros(0), kind="beats")
    trial = make_trial("1", "2", {"eeg": make_signal(), "beats": beats})
    assert trial.signal("eeg").kind == "eeg"
    for name in ("eda", "beats"):
        with pytest.raises(
            DataError, match=f"Subject 1, trial 2 of made up has no signal '{name}'; it has beats, eeg"
        ):
            trial.signal(name)
    with pytest.raises(DataError, match="it has none"):
        make_trial("1", "1", {}).signal("eeg")


def open_folder(root: Path) -> dict[str, Path]:
    return {path.stem: path for path in list_files(root)}


def list_files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.txt"))


def read_trials(subject: str, source: Path, report: Report) -> Iterator[Trial]:
    """One trial a letter: x is left out with a report, o too but is known for it, ! breaks the person."""
    for letter in source.read_text():
        if letter == "!":
            raise DataError(f"{source.name} is broken.")
        if letter in "xo":
            report(
                Exclusion(subject=subject, trial=letter, reason=f"Trial {letter}.", expected=letter == "o")
            )
        else:
            yield make_trial(subject, letter)


MADE_UP = DataSet(
    name="made_up",
    title="Made up",
    doi="",
    licence="",
    how_to_get="",
    layout="",
    n_subjects=3,
    sfreqs={"eeg": 100.0},
    tasks={
        "none": Task(name="none", description="", kind="regression", target=lambda _: None, source="rating")
    },
    window=1.0,
    step=1.0,
    files=list_files,
    open=open_folder,
    trials=read_trials,
)


def write(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (root / f"{name}.txt").write_text(text)
    return root


def names(trials: Iterator[Trial]) -> list[str]:
    return [trial.subject + trial.trial for trial in trials]


def test_reading_goes_through_subjects_in_their_order(tmp_path: Path) -> None:
    root = write(tmp_path, A="ab", B="c", C="d")
    assert names(MADE_UP.read(root)) == ["Aa", "Ab", "Bc", "Cd"]
    assert names(MADE_UP.read(str(root), subjects=["C", "A", "C"])) == ["Cd", "Aa", "Ab"]


@pytest.mark.parametrize("subjects", [["Z"], ["A", "Z"]])
def test_an_unknown_subject_is_refused_with_those_there_are(tmp_path: Path, subjects: list[str]) -> None:
    root = write(tmp_path, A="a", B="b")
    with pytest.raises(DataError, match="has no subject 'Z'; it has A, B"):
        list(MADE_UP.read(root, subjects=subjects))


def test_without_a_report_the_first_unexpected_exclusion_raises(tmp_path: Path) -> None:
    assert names(MADE_UP.read(write(tmp_path, A="aob"))) == ["Aa", "Ab"]
    with pytest.raises(DataError, match=r"Trial x\."):
        list(MADE_UP.read(write(tmp_path, A="axb")))
    with pytest.raises(DataError, match=r"A\.txt is broken\."):
        list(MADE_UP.read(write(tmp_path, A="!")))


def test_with_a_report_the_others_are_still_read(tmp_path: Path) -> None:
    exclusions: list[Exclusion] = []
    root = write(tmp_path, A="axb", B="!", C="co")
    assert names(MADE_UP.read(root, report=exclusions.append)) == ["Aa", "Ab", "Cc"]
    assert exclusions == [
        Exclusion(subject="A", trial="x", reason="Trial x."),
        Exclusion(subject="B", reason="B.txt is broken."),
        Exclusion(subject="C", trial="o", reason="Trial o.", expected=True),
    ]


def test_the_fingerprint_follows_names_and_contents_but_not_the_place(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("one", "two")]
    for root in roots:
        root.mkdir()
        write(root, A="a", B="b")
    first, second = (MADE_UP.fingerprint(root) for root in roots)
    assert first == second
    (roots[1] / "A.txt").rename(roots[1] / "C.txt")
    renamed = MADE_UP.fingerprint(roots[1])
    write(roots[0], B="c")
    changed = MADE_UP.fingerprint(roots[0])
    write(roots[0], A="c", B="a")
    swapped = MADE_UP.fingerprint(roots[0])
    write(roots[0], A="a", B="c")
    assert len({first, renamed, changed, swapped}) == 4
    assert MADE_UP.fingerprint(roots[0]) == changed


def listing(paths: Sequence[Path]) -> Callable[[Path], Sequence[Path]]:
    return lambda _: paths


def test_the_fingerprint_is_what_its_definition_gives(tmp_path: Path) -> None:
    # Of nothing, as published with BLAKE3's test vectors.
    nothing = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    line = f"A.txt\0{nothing}\n".encode()
    assert MADE_UP.fingerprint(write(tmp_path, A="")) == f"blake3:{blake3(line).hexdigest()}"


@pytest.mark.parametrize("n_cores", [1, 2, 64, None])
def test_the_fingerprint_depends_neither_on_threads_nor_on_the_order_of_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_cores: int | None
) -> None:
    rng = np.random.default_rng(0)
    # The first are the largest, so that with threads the last are finished first.
    for number, size in enumerate((3_000_000, 1_000_000, *[20_000] * 20, *[7] * 20, 0)):
        (tmp_path / f"{number:02d}.txt").write_bytes(rng.bytes(size))
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "00.txt").write_bytes(b"0")
    files = sorted(tmp_path.rglob("*.txt"), key=lambda path: path.relative_to(tmp_path).as_posix())
    lines = "".join(
        f"{path.relative_to(tmp_path).as_posix()}\0{blake3(path.read_bytes()).hexdigest()}\n"
        for path in files
    )
    expected = f"blake3:{blake3(lines.encode()).hexdigest()}"
    monkeypatch.setattr(os, "cpu_count", lambda: n_cores)
    shuffled = [files[i] for i in rng.permutation(len(files))]
    for listed in (files, files[::-1], shuffled):
        assert replace(MADE_UP, files=listing(listed)).fingerprint(tmp_path) == expected


def test_the_fingerprint_names_the_file_that_cannot_be_read(tmp_path: Path) -> None:
    root = write(tmp_path, A="a", B="b")
    gone = replace(MADE_UP, files=listing([root / "A.txt", root / "gone.txt"]))
    with pytest.raises(DataError, match=r"gone\.txt cannot be read: No such file"):
        gone.fingerprint(root)
