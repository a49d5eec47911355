"""The ready features of the SEED family: laid out by hand, simulated, evaluated, and broken."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.io import loadmat, savemat
from scipy.signal import periodogram

from physioaffect.datasets import SEED, SEED_IV, SEED_V, seed_features, seed_iv_features, seed_v_features
from physioaffect.errors import DataError
from physioaffect.evaluation import evaluate

ALL = ("de", "psd", "dasm", "rasm", "asm", "dcau")
ROWS = {"de": 62, "psd": 62, "dasm": 27, "rasm": 27, "asm": 54, "dcau": 23}
DATES = (20131027, 20131030, 20131107)
LABELS_V = [
    [4, 1, 3, 2, 0, 4, 1, 3, 2, 0, 4, 1, 3, 2, 0],
    [2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0],
    [2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0],
]


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seed")
    SEED.simulate(root, n_subjects=2, n_clips=3, max_seconds=9)  # type: ignore[misc]  # It can be simulated.
    return root


@pytest.fixture(scope="session")
def seed_v(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seed_v")
    SEED_V.simulate(  # type: ignore[misc]
        root, n_subjects=2, n_clips=5, max_seconds=8, has_recordings=False
    )
    return root


# Tables


@pytest.mark.parametrize("family", ALL)
@pytest.mark.parametrize("smoothing", ["LDS", "movingAve"])
def test_every_family_comes_back_frame_by_frame(seed: Path, family: Any, smoothing: Any) -> None:
    table = seed_features(seed, family=family, smoothing=smoothing)
    first = "channel" if ROWS[family] == 62 else "pair"
    assert table[family].dims == ("window", first, "band")
    assert table.sizes == {"window": 2 * 3 * 3 * 9, first: ROWS[family], "band": 5}
    date = DATES[1]
    path = seed / "SEED_EEG" / "ExtractedFeatures_1s" / f"1_{date}.mat"
    chosen = table.isel(window=(table.subject == "1") & (table.session == "2") & (table.trial == "3"))
    assert_array_equal(chosen[family].values.transpose(1, 0, 2), loadmat(path)[f"{family}_{smoothing}3"])
    assert_array_equal(chosen.start, np.arange(9.0))
    assert set(chosen.condition.values) == {"negative"}
    assert set(table.tags.values) == {"simulated"}


def test_lds_says_that_it_looks_ahead_and_does(seed: Path) -> None:
    assert (
        seed_features(seed).attrs["causality"].startswith("Acausal: the smoothing looks at the whole trial")
    )
    assert seed_features(seed).de.attrs["smoothing"] == "LDS"
    average = seed_features(seed, smoothing="movingAve")
    assert average.attrs["causality"].startswith("Not documented")
    # Smoothed twice, differences between neighbours are smaller.
    smooth = seed_features(seed)
    assert (
        np.abs(np.diff(smooth.de.values[:9], axis=0)).mean()
        < np.abs(np.diff(average.de.values[:9], axis=0)).mean()
    )


def test_frames_of_4_s_and_older_releases_are_found(seed: Path, tmp_path: Path) -> None:
    table = seed_features(seed, frame=4, subjects=["2"])
    assert table.sizes["window"] == 3 * 3 * 2
    assert set(table.duration.values) == {4.0}
    (tmp_path / "ExtractedFeatures").symlink_to(seed / "SEED_EEG" / "ExtractedFeatures_1s")
    assert seed_features(tmp_path).equals(seed_features(seed))
    assert seed_features(seed / "SEED_EEG" / "ExtractedFeatures_1s").equals(seed_features(seed))


def test_the_simulated_entropy_is_that_of_the_simulated_recording(seed: Path) -> None:
    """The first frame of a moving average is itself: half the logarithm of 2 pi e times the band's power."""
    table = seed_features(seed, smoothing="movingAve", subjects=["1"])
    first = next(iter(SEED.read(seed))).signal("eeg").data[:, :200]
    freqs, density = periodogram(first, fs=200, window="hann", detrend="constant")
    power = [
        density[:, (freqs >= low) & (freqs <= high)].sum(axis=1) for low, high in table.attrs["band_edges_hz"]
    ]
    expected = 0.5 * np.log(2 * np.pi * np.e * np.stack(power, axis=1))
    assert_allclose(table.de.values[0], expected, rtol=1e-6)


def test_they_can_be_evaluated(seed: Path) -> None:
    result = evaluate(seed_features(seed), models=["lda"], protocols=["loso"], permutations=20)
    assert result.run["dataset"]["name"] == "seed"
    assert result.run["table"]["simulated"]
    assert result.cells()["loso", "lda", "trial", "macro_f1"].mean >= 0


def test_seed_iv_has_channels_and_frames_of_4_s(tmp_path: Path) -> None:
    assert SEED_IV.simulate is not None
    SEED_IV.simulate(tmp_path, n_subjects=1, n_clips=2, max_seconds=12)
    for root in (tmp_path, tmp_path / "eeg_feature_smooth"):
        table = seed_iv_features(root, family="psd")
        assert table.psd.shape == (3 * 2 * 3, 62, 5)
        assert sorted(set(table.stimulus.values)) == ["1-1", "1-2", "2-1", "2-2", "3-1", "3-2"]
        assert table.attrs["band_edges_hz"][0] == [1, 4]
    with pytest.raises(DataError, match="Unknown family 'asm': use one of de, psd"):
        seed_iv_features(tmp_path, family="asm")


# SEED-V's archives


def byte_string(data: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(data)) + data


def pickled(value: dict[int, NDArray[np.float64]]) -> bytes:
    """A dict of arrays as Python 2 pickled it, protocol 2."""
    out = io.BytesIO()
    out.write(b"\x80\x02}(")
    for key, array in value.items():
        out.write(b"K" + bytes([key]))
        out.write(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R")
        shape = b"(" + b"".join(b"M" + struct.pack("<H", size) for size in array.shape) + b"t"
        dtype = (
            b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        )
        out.write(b"(K\x01" + shape + dtype + b"\x89" + byte_string(array.astype("<f8").tobytes()) + b"tb")
    return out.getvalue() + b"u."


def by_hand(n_frames: int = 3) -> tuple[dict[int, Any], dict[int, Any]]:
    data = {key: 1000.0 * key + np.arange(n_frames * 310).reshape(n_frames, 310) for key in range(45)}
    labels = {key: np.full(n_frames, float(LABELS_V[key // 15][key % 15])) for key in range(45)}
    return data, labels


def write(path: Path, values: Any, labels: Any, **options: Any) -> Path:
    np.savez(path, **{"data": pickled(values), "label": pickled(labels)} | options)
    return path


@pytest.mark.parametrize("order", [("channel", "band"), ("band", "channel")])
def test_seed_v_is_read_trial_by_trial_in_the_order_that_the_user_states(tmp_path: Path, order: Any) -> None:
    data, labels = by_hand()
    # Neither the keys' order nor the files' is of any meaning.
    write(tmp_path / "10_123.npz", dict(reversed(data.items())), labels)
    write(tmp_path / "2_123.npz", data, labels)
    flat = seed_v_features(tmp_path)
    assert flat.de.dims == ("window", "column")
    assert list(dict.fromkeys(flat.subject.values)) == ["2", "10"]
    assert_array_equal(flat.de.values[: 45 * 3], np.concatenate(list(data.values())))
    assert flat.session.values[45 * 3 - 1] == "3"
    assert flat.trial.values[15 * 3] == "1"
    assert flat.stimulus.values[15 * 3] == "2-1"
    assert flat.condition.values[0] == "happy"
    assert flat.attrs["causality"].startswith("Not documented")
    table = seed_v_features(tmp_path, order=order)
    assert table.de.dims == ("window", "channel", "band")
    sizes = (62, 5) if order[0] == "channel" else (5, 62)
    expected = flat.de.values[0].reshape(sizes)
    assert_array_equal(table.de.values[0], expected if order[0] == "channel" else expected.T)


def test_simulated_archives_are_read_and_evaluated(seed_v: Path) -> None:
    table = seed_v_features(seed_v, order=("channel", "band"))
    assert table.de.shape == (2 * 3 * 5 * 2, 62, 5)
    assert set(table.tags.values) == {"simulated"}
    result = evaluate(table, models=["lda"], protocols=["loso"], permutations=20)
    assert result.run["dataset"]["name"] == "seed_v"
    # Logarithms of microvolts squared.
    assert_allclose(table.de.values.mean(), 2.5, atol=1.5)


# What is wrong


def test_wrong_folders_and_unknown_choices_are_refused(seed: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not SEED's features: it holds nothing, and no folder"):
        seed_features(tmp_path)
    with pytest.raises(DataError, match="is not SEED-V's features: it holds nothing"):
        seed_v_features(tmp_path)
    with pytest.raises(DataError, match="Unknown family 'power': use one of de, psd, dasm"):
        seed_features(seed, family="power")
    with pytest.raises(DataError, match="Unknown smoothing 'none': use one of LDS, movingAve"):
        seed_features(seed, smoothing="none")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="has no subject '9'; it has 1, 2"):
        seed_features(seed, subjects=["9"])
    with pytest.raises(DataError, match=r"lacks de_LDS1; it has .*_eeg\d, .* and so on\. Use the features"):
        seed_features(seed / "SEED_EEG" / "Preprocessed_EEG")


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (np.ones((9, 62, 5)), r"de_LDS2 in .* has shape \(9, 62, 5\); expected \(62, frames, 5\)"),
        (np.ones((62, 9, 4)), r"has shape \(62, 9, 4\)"),
        (np.ones((62, 9)), r"has shape \(62, 9\)"),
    ],
)
def test_features_of_another_shape_are_refused(tmp_path: Path, value: Any, match: str) -> None:
    savemat(tmp_path / "label.mat", {"label": [[1, 0, -1]]})
    good = {f"de_LDS{trial}": np.ones((62, 9, 5)) for trial in (1, 2, 3)}
    savemat(tmp_path / f"1_{DATES[0]}.mat", good | {"de_LDS2": value})
    with pytest.raises(DataError, match=match):
        seed_features(tmp_path)


def bad(**changes: Any) -> tuple[dict[int, Any], dict[int, Any]]:
    data, labels = by_hand()
    data |= changes.get("data", {})
    labels |= changes.get("labels", {})
    return data, labels


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            bad(data={3: np.ones((3, 300))}),
            r"Trial 3 in .* has shape \(3, 300\) and labels of \(3,\); expected",
        ),
        (bad(data={3: np.ones((2, 310))}), r"Trial 3 in .* has shape \(2, 310\) and labels of \(3,\)"),
        (
            bad(data={45: np.ones((2, 310))}),
            r"has data of the trials 0, 1, 2, 3, 4 and so on and labels of 0",
        ),
        (
            bad(labels={2: np.full(3, 9.0)}),
            r"Trial 2 in .* has the label 9; everyone else's has 3 \(neutral\)",
        ),
    ],
)
def test_other_trials_or_labels_are_refused(tmp_path: Path, content: Any, match: str) -> None:
    write(tmp_path / "1_123.npz", *content)
    with pytest.raises(DataError, match=match):
        seed_v_features(tmp_path)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"data": b"cos\nsystem\n(S'echo'\ntR."}, r"data in .*1_123\.npz: .* the global 'os\.system'"),
        ({"label": b"\x80\x02K\x01."}, r"label in .* is no dictionary by trial"),
        ({"data": np.ones(3)}, r"data in .* is described as .*<f8.*; expected one byte string"),
    ],
)
def test_hostile_and_foreign_archives_are_refused(tmp_path: Path, options: Any, match: str) -> None:
    write(tmp_path / "1_123.npz", *by_hand(), **options)
    with pytest.raises(DataError, match=match):
        seed_v_features(tmp_path)


def test_an_archive_that_lacks_a_part_or_expands_too_far_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "1_123.npz"
    np.savez(path, data=pickled(by_hand()[0]))
    with pytest.raises(DataError, match=r"lacks label\.npy; expected data\.npy and label\.npy"):
        seed_v_features(tmp_path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("data.npy", "w") as stream:
        for _ in range(101):
            stream.write(bytes(1_000_000))
    with pytest.raises(DataError, match=r"holds data\.npy of 101000000 bytes, more than 100000000"):
        seed_v_features(tmp_path)


@pytest.mark.parametrize("tenths", range(10))
def test_a_truncated_archive_is_refused(tmp_path: Path, tenths: int) -> None:
    path = write(tmp_path / "1_123.npz", *by_hand(1))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenths // 10])
    with pytest.raises(DataError, match=r"cannot be read as an npz file .* cut short: download it again"):
        seed_v_features(tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_is_refused_in_a_sentence_or_read(tmp_path: Path, data: st.DataObject) -> None:
    good = tmp_path / "good"
    if not good.exists():
        one = {key: value[:1] for key, value in by_hand()[0].items() if key < 2}
        good.write_bytes(write(tmp_path / "made.npz", one, {key: np.ones(1) for key in one}).read_bytes())
    content = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 300))
        damage = data.draw(st.binary(min_size=1, max_size=6))
        content[place : place + len(damage)] = damage
    path = tmp_path / "1_123.npz"
    path.write_bytes(content)
    reason = str(path)
    try:
        seed_v_features(tmp_path)
    except DataError as error:
        reason = str(error)
    assert str(path) in reason
