"""EEG during mental arithmetic: the real files, and made-up ones that are broken."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from physioaffect.data_set import Exclusion
from physioaffect.datasets import EEGMAT, EEGMAT_WHOLE
from physioaffect.errors import DataError

Floats = NDArray[np.float64]

OLD_NAMES = "Fp1 Fp2 F3 F4 F7 F8 T3 T4 C3 C4 T5 T6 P3 P4 O1 O2 Fz Cz Pz".split()  # noqa: SIM905  As in the files.
NAMES = "Fp1 Fp2 F3 F4 F7 F8 T7 T8 C3 C4 P7 P8 P3 P4 O1 O2 Fz Cz Pz".split()  # noqa: SIM905
LABELS = [*(f"EEG {name}" for name in OLD_NAMES), "EEG A2-A1", "ECG ECG"]
SFREQ = 500
# The smallest step that the made-up files can hold, in the unit of the channel (uV or mV).
STEP = 200 / 65535


def write_edf(path: Path, data: Floats, labels: list[str], *, sfreq: int = SFREQ) -> Path:
    """Write channels within -100 to 100 (uV, ECG mV), in records of one second."""
    n_channels, n_records = len(labels), data.shape[1] // sfreq
    units = ["mV" if label.startswith("ECG") else "uV" for label in labels]
    fields = [
        (16, labels),
        (80, [""] * n_channels),
        (8, units),
        *((8, [value] * n_channels) for value in ("-100", "100", "-32768", "32767")),
        (80, ["HP:0.5Hz LP:45Hz"] * n_channels),
        (8, [str(sfreq)] * n_channels),
        (32, [""] * n_channels),
    ]
    start = [(8, "0"), (80, "X"), (80, "Startdate 01-JAN-2011"), (8, "01.01.11"), (8, "00.00.00")]
    start += [(8, str(256 * (n_channels + 1))), (44, ""), (8, str(n_records)), (8, "1"), (4, str(n_channels))]
    header = "".join(text.ljust(width) for width, text in start)
    header += "".join(text.ljust(width) for width, texts in fields for text in texts)
    counts = np.rint((data + 100) / STEP - 32768).astype("<i2")
    path.write_bytes(
        header.encode("ascii") + counts.reshape(n_channels, n_records, sfreq).swapaxes(0, 1).tobytes()
    )
    return path


def make_data(seconds: int, seed: int = 0) -> Floats:
    """Noise; the first channel tells the time in seconds."""
    data = np.random.default_rng(seed).normal(scale=10, size=(len(LABELS), seconds * SFREQ))
    data[0] = np.arange(data.shape[1]) / SFREQ
    return np.clip(data, -100, 100)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two people with 70 s of rest and 62 s of task."""
    for person in range(2):
        for number, seconds in ((1, 70), (2, 62)):
            write_edf(tmp_path / f"Subject{person:02}_{number}.edf", make_data(seconds, person), LABELS)
    return tmp_path


def test_real_recordings_are_16_people_with_a_minute_each_of_rest_and_task(real_data: Path) -> None:
    trials = list(EEGMAT.read(real_data / "realeeg" / "eegmat"))
    assert [trial.subject for trial in trials[::2]] == [f"Subject{number:02}" for number in range(16)]
    for rest, task in zip(trials[::2], trials[1::2], strict=True):
        assert (rest.trial, rest.stimulus, rest.condition, rest.order) == ("rest", "rest", "rest", 0)
        assert (task.trial, task.stimulus, task.condition, task.order) == (
            "arithmetic",
            "arithmetic",
            "task",
            1,
        )
        for trial in (rest, task):
            eeg, ecg = trial.signal("eeg"), trial.signal("ecg")
            assert eeg.ch_names == tuple(NAMES)
            assert (eeg.n_times, ecg.n_times, eeg.sfreq, eeg.start) == (30_000, 30_000, 500.0, 0.0)
            assert eeg.unit == ecg.unit == "V"
            microvolts = eeg.data.std(axis=1) * 1e6
            assert microvolts.min() > 3
            assert microvolts.max() < 50
            # An ECG's R wave is about a millivolt; subject 02 wore a poor one.
            assert 0.01e-3 < ecg.data.std() < 0.5e-3


def test_real_trials_are_cut_out_of_what_mne_reads(real_data: Path) -> None:
    import mne

    folder = real_data / "realeeg" / "eegmat"
    raws = [mne.io.read_raw_edf(folder / f"Subject04_{k}.edf", verbose="error").get_data() for k in (1, 2)]
    rest, task = EEGMAT.read(folder, subjects=["Subject04"])
    assert_array_equal(rest.signal("eeg").data, raws[0][:19, -31_000:-1_000])
    assert_array_equal(task.signal("eeg").data, raws[1][:19, :30_000])
    assert_array_equal(rest.signal("ecg").data[0], raws[0][20, -31_000:-1_000])
    rest, task = EEGMAT_WHOLE.read(folder, subjects=["Subject04"])
    assert_array_equal(rest.signal("eeg").data, raws[0][:19, :-1_000])
    assert (rest.duration, task.duration) == (168.0, 60.0)
    assert (rest.dataset, rest.trial) == ("eegmat_whole", "rest")


def test_real_recordings_lose_alpha_over_occipital_cortex_during_arithmetic(real_data: Path) -> None:
    from physioaffect.features import SEED_BANDS, DifferentialEntropy, Recipe, extract
    from physioaffect.windows import Windowing

    family = DifferentialEntropy(bands=SEED_BANDS.within(EEGMAT.passband))
    recipe = Recipe(windows=Windowing(duration=5), features=(family,))
    # The parent folder will do: only one folder in it holds such files.
    extracted = extract(EEGMAT, real_data / "realeeg", recipe)
    assert extracted.exclusions == ()
    features = extracted.features
    assert features["de"].shape == (16 * 2 * 12, 19, 5)
    alpha = features["de"].sel(channel=["O1", "O2"], band="alpha").mean("channel")
    change = [
        float(alpha[(features["subject"] == who) & (features["condition"] == "task")].mean())
        - float(alpha[(features["subject"] == who) & (features["condition"] == "rest")].mean())
        for who in np.unique(features["subject"])
    ]
    assert np.sum(np.array(change) < 0) >= 12


def test_rest_is_the_last_minute_before_the_padding_and_task_the_first(root: Path) -> None:
    rest, task = EEGMAT.read(root, subjects=["Subject01"])
    seconds = 1e-6 * np.arange(30_000) / SFREQ
    assert_allclose(rest.signal("eeg").data[0], seconds + 8e-6, atol=1e-6 * STEP)
    assert_allclose(task.signal("eeg").data[0], seconds, atol=1e-6 * STEP)
    written = make_data(70, seed=1)
    assert_allclose(rest.signal("eeg").pick(["T7"]).data[0], 1e-6 * written[6, 4000:34_000], atol=1e-6 * STEP)
    assert_allclose(rest.signal("ecg").data[0], 1e-3 * written[20, 4000:34_000], atol=1e-3 * STEP)


def test_the_task_is_rest_against_arithmetic(root: Path) -> None:
    (task,) = EEGMAT.tasks.values()
    assert task.classes == ("rest", "task")
    assert [task.target(trial) for trial in EEGMAT.read(root)] == ["rest", "task"] * 2


def test_the_montage_knows_all_electrodes() -> None:
    import mne

    assert EEGMAT.montage is not None
    assert set(NAMES) <= set(mne.channels.make_standard_montage(EEGMAT.montage).ch_names)


def test_finds_the_only_folder_inside(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    above = tmp_path_factory.mktemp("above")
    root.rename(above / "eeg-during-mental-arithmetic-tasks-1.0.0")
    (above / "notes").mkdir()
    assert len(EEGMAT.files(above)) == 4
    assert list(EEGMAT.open(above)) == ["Subject00", "Subject01"]


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"nowhere does not exist\. Name the folder that holds Subject00_1\.edf"
    ):
        list(EEGMAT.read(tmp_path / "nowhere"))


def test_file_in_place_of_the_folder(root: Path) -> None:
    with pytest.raises(DataError, match=r"Subject00_1\.edf is a file\. Name the folder"):
        EEGMAT.files(root / "Subject00_1.edf")


def test_wrong_folder_says_what_is_there(tmp_path: Path) -> None:
    for name in "abcdefghij":
        (tmp_path / f"{name}.mat").touch()
    with pytest.raises(DataError, match=r"but a\.mat, b\.mat, .*, h\.mat and 2 more\. Name the folder"):
        EEGMAT.files(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"but nothing\. Name the folder"):
        EEGMAT.files(tmp_path / "empty")


def one_broken(root: Path) -> str:
    """The sentence about the first person; the second must be read all the same."""
    exclusions: list[Exclusion] = []
    trials = list(EEGMAT.read(root, report=exclusions.append))
    assert [trial.subject for trial in trials] == ["Subject01"] * 2
    (exclusion,) = exclusions
    assert (exclusion.subject, exclusion.expected) == ("Subject00", False)
    with pytest.raises(DataError):
        list(EEGMAT.read(root))
    return exclusion.reason


def test_one_of_two_files_missing(root: Path) -> None:
    (root / "Subject00_2.edf").unlink()
    assert one_broken(root).startswith("Subject00_2.edf is missing. A person has two files")


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 400, b"0" + b" " * 700])
def test_not_an_edf_file(root: Path, content: bytes) -> None:
    (root / "Subject00_1.edf").write_bytes(content)
    assert one_broken(root) == (
        f"Subject00_1.edf ({len(content)} bytes) does not begin with the header of an EDF file. Fetch it "
        "again."
    )


@pytest.mark.parametrize("change", [-1, -21 * 1000, 2])
def test_truncated_or_lengthened_file(root: Path, change: int) -> None:
    path = root / "Subject00_2.edf"
    whole = path.read_bytes()
    path.write_bytes(whole[:change] if change < 0 else whole + b"\0" * change)
    assert one_broken(root).startswith(
        f"Subject00_2.edf has {len(whole) + change} bytes, but its header announces 62 records, that is "
        f"{len(whole)} bytes. The file is incomplete or damaged"
    )


def test_wrong_channels_are_named(root: Path) -> None:
    labels = [label.replace("O1", "Oz").replace("ECG ECG", "EKG") for label in LABELS]
    write_edf(root / "Subject00_1.edf", make_data(70), labels)
    reason = one_broken(root)
    assert reason.startswith("Subject00_1.edf lacks the channels EEG O1, ECG ECG; it has EEG Fp1, EEG Fp2")
    assert "EEG Oz" in reason


def test_wrong_rate(root: Path) -> None:
    write_edf(root / "Subject00_1.edf", make_data(70)[:, ::2], LABELS, sfreq=250)
    assert one_broken(root).startswith("Subject00_1.edf is sampled at 250 Hz, expected 500")


def test_a_dead_electrode_is_named(root: Path) -> None:
    data = make_data(70)
    data[[6, 20], 4000:34_000] = 1.5  # Alive before the minute that is used.
    write_edf(root / "Subject00_1.edf", data, LABELS)
    assert one_broken(root).startswith("Subject00_1.edf: T7 is constant over all 60 s that would be used")
    data = make_data(62)
    data[[0, 20]] = 0
    write_edf(root / "Subject00_1.edf", make_data(70), LABELS)
    write_edf(root / "Subject00_2.edf", data, LABELS)
    assert one_broken(root).startswith("Subject00_2.edf: Fp1 is constant over")


@pytest.mark.parametrize(("field", "damaged"), [(b"uV      ", b"zV      "), (b"100     ", b"nan     ")])
def test_an_impossible_scale_is_refused(root: Path, field: bytes, damaged: bytes) -> None:
    path = root / "Subject00_1.edf"
    path.write_bytes(path.read_bytes().replace(field, damaged, 2))
    assert one_broken(root).startswith("Subject00_1.edf: Fp1, Fp2 are beyond 0.1 V or no number")


def test_too_short_for_a_minute_unless_whole(root: Path) -> None:
    write_edf(root / "Subject00_2.edf", make_data(61), LABELS)
    assert one_broken(root).startswith(
        "Subject00_2.edf lasts 59 s without the 2 s of padding at its end, expected at least 60 s"
    )
    assert [trial.duration for trial in EEGMAT_WHOLE.read(root, subjects=["Subject00"])] == [68.0, 59.0]
    write_edf(root / "Subject00_2.edf", make_data(2), LABELS)
    with pytest.raises(DataError, match=r"Subject00_2\.edf holds no more than the 2 s of padding"):
        list(EEGMAT_WHOLE.read(root, subjects=["Subject00"]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 256 * 22 - 1), byte=st.binary(min_size=1, max_size=1))
def test_a_damaged_header_is_read_or_refused_but_never_a_crash(
    tmp_path: Path, position: int, byte: bytes
) -> None:
    good = write_edf(tmp_path / "Subject00_2.edf", make_data(3), LABELS).read_bytes()
    (tmp_path / "Subject00_1.edf").write_bytes(good[:position] + byte + good[position + 1 :])
    try:
        assert len(list(EEGMAT_WHOLE.read(tmp_path))) == 2
    except DataError as error:
        assert "Subject00_1.edf" in str(error)  # noqa: PT017  Either is right.


def test_fingerprint_follows_the_content(root: Path) -> None:
    before = EEGMAT.fingerprint(root)
    assert EEGMAT.fingerprint(str(root)) == before
    (root / "notes.txt").write_text("not read")
    assert EEGMAT.fingerprint(root) == before
    write_edf(root / "Subject01_2.edf", make_data(62, seed=9), LABELS)
    assert EEGMAT.fingerprint(root) != before


Serve = Callable[[Path], str]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve a folder on this machine and tell its address."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    servers: list[ThreadingHTTPServer] = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A small copy of the public folder with its list of checksums."""
    folder = tmp_path / "public"
    folder.mkdir()
    for number in (1, 2):
        write_edf(folder / f"Subject00_{number}.edf", make_data(3, number), LABELS)
    (folder / "README.txt").write_text("As on the server.")
    write_sums(folder)
    return folder


def write_sums(folder: Path) -> None:
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    sums.pop("SHA256SUMS.txt", None)
    (folder / "SHA256SUMS.txt").write_text("".join(f"{sha} {name}\n" for name, sha in sums.items()))


download: Any = EEGMAT.download


def test_download_fetches_what_the_list_names(published: Path, serve: Serve, tmp_path: Path) -> None:
    url = serve(published)
    root = download(tmp_path / "here", base_url=url)
    assert sorted(path.name for path in root.iterdir()) == [
        "README.txt",
        "Subject00_1.edf",
        "Subject00_2.edf",
    ]
    assert len(list(EEGMAT_WHOLE.read(root))) == 2
    (root / "Subject00_1.edf").write_bytes(b"half of it")
    untouched = (root / "Subject00_2.edf").stat().st_mtime_ns
    download(root, base_url=url)
    assert (root / "Subject00_1.edf").read_bytes() == (published / "Subject00_1.edf").read_bytes()
    assert (root / "Subject00_2.edf").stat().st_mtime_ns == untouched


def test_download_keeps_no_file_with_another_checksum(published: Path, serve: Serve, tmp_path: Path) -> None:
    (published / "Subject00_2.edf").write_bytes(b"tampered")
    with pytest.raises(
        DataError, match=r"Subject00_2\.edf is not the published file: its SHA-256 is another"
    ):
        download(tmp_path / "here", base_url=serve(published))
    assert not (tmp_path / "here" / "Subject00_2.edf").exists()


def test_download_writes_nowhere_else(published: Path, serve: Serve, tmp_path: Path) -> None:
    with (published / "SHA256SUMS.txt").open("a") as stream:
        stream.write(f"{'0' * 64} ../evil.txt\n{'0' * 64} evil.txt\n")
    root = download(tmp_path / "here", base_url=serve(published))
    assert not (tmp_path / "evil.txt").exists()
    assert not (root / "evil.txt").exists()


def test_download_without_a_list(tmp_path: Path, serve: Serve) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"Cannot fetch http://127\.0\.0\.1:\d+/SHA256SUMS\.txt: 404"):
        download(tmp_path / "here", base_url=serve(empty))
    (empty / "SHA256SUMS.txt").write_text("<html>Log in to this network</html>")
    with pytest.raises(DataError, match=r"SHA256SUMS\.txt lists no Subject00_1\.edf or the like"):
        download(tmp_path / "here", base_url=serve(empty))
    assert not (tmp_path / "here").exists()


def test_download_without_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(
        DataError, match=r"Cannot fetch http://127\.0\.0\.1:1/SHA256SUMS\.txt: .* Check the connection"
    ):
        download(tmp_path / "here", base_url="http://127.0.0.1:1/")
