"""Prototypes on disk: they come back, and nothing that was changed does."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load, save

from physioaffect.distill import prototype_files
from physioaffect.distill.prototype_files import load_prototypes, save_prototypes
from physioaffect.distill.prototypes import Prototypes, valence_arousal_prototypes
from physioaffect.errors import DataError


def made(*, people: bool = True, n_dims: int = 7) -> Prototypes:
    rng = np.random.default_rng(0)
    return valence_arousal_prototypes(
        rng.standard_normal((40, n_dims)),
        *rng.uniform(-1, 1, (2, 40)),
        people=rng.integers(0, 5, 40) if people else None,
        origin={"dataset": "DREAMER", "people": ["1", "2"], "seed": 3, "µ": [1.5, None]},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save_prototypes(made(), tmp_path / "eeg.safetensors")


def beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")


@pytest.mark.parametrize("people", [True, False])
def test_they_come_back(tmp_path: Path, people: bool) -> None:
    before = made(people=people)
    after = load_prototypes(save_prototypes(before, tmp_path / "new" / "eeg.safetensors"), expect_dims=7)
    for name in ("vectors", "counts", "confidence", "filled_from", "n_people"):
        found, expected = getattr(after, name), getattr(before, name)
        if expected is None:
            assert found is None
        else:
            assert found.dtype == expected.dtype
            assert_array_equal(found, expected)
    assert (after.origin, after.k, after.digest) == (before.origin, 5, before.digest)
    assert load_prototypes(tmp_path / "new" / "eeg.safetensors", expect_digest=before.digest[:12])


def test_equal_prototypes_make_equal_files_whatever_the_name_and_the_time(path: Path, tmp_path: Path) -> None:
    other = save_prototypes(made(), tmp_path / "other.safetensors")
    os.utime(other, (0, 0))
    assert other.read_bytes() == path.read_bytes()
    assert beside(other).read_bytes() == beside(path).read_bytes()
    assert load_prototypes(other).digest == load_prototypes(path).digest
    assert not list(tmp_path.glob("*.partial"))


def test_the_order_of_tensors_and_keys_in_the_files_does_not_matter(path: Path) -> None:
    arrays = load(path.read_bytes())
    path.write_bytes(
        save(
            dict(reversed(arrays.items())), metadata={"physioaffect_prototypes": made().digest, "other": "1"}
        )
    )
    told = json.loads(beside(path).read_text())
    beside(path).write_text(json.dumps(dict(reversed(told.items()))))
    assert load_prototypes(path).digest == made().digest


def test_what_is_beside_them_can_be_read_by_people(path: Path) -> None:
    told = json.loads(beside(path).read_text())
    assert told["n_empty"] == made().n_empty
    assert told["counts"] == made().counts.tolist()
    assert told["origin"]["dataset"] == "DREAMER"


def rewritten(path: Path, **changes: np.ndarray) -> None:
    arrays = {**load(path.read_bytes()), **changes}
    path.write_bytes(save(arrays, metadata={"physioaffect_prototypes": made().digest}))


def test_changed_numbers_are_refused(path: Path) -> None:
    vectors = np.array(load(path.read_bytes())["vectors"])
    vectors[:] = vectors[:, ::-1]
    rewritten(path, vectors=vectors)
    with pytest.raises(
        DataError, match=r"has the digest \w{12}, expected \w{12} as written beside it.*changed"
    ):
        load_prototypes(path)


def test_each_flipped_bit_is_refused(path: Path) -> None:
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    start = 8 + int.from_bytes(content[:8], "little")
    for byte in rng.integers(start, len(content), 60):
        broken = bytearray(content)
        broken[byte] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        with pytest.raises(DataError):
            load_prototypes(path)
    for byte in rng.integers(0, start, 60):  # The head: damaged, or spaces that say nothing.
        broken = bytearray(content)
        broken[byte] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        try:
            assert load_prototypes(path).digest == made().digest
        except DataError:
            continue
    for length in (0, 5, 8, start, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="damaged or no file that save_prototypes wrote"):
            load_prototypes(path)


def test_a_changed_origin_is_refused(path: Path) -> None:
    told = json.loads(beside(path).read_text())
    told["origin"]["dataset"] = "DEAP"
    beside(path).write_text(json.dumps(told))
    with pytest.raises(DataError, match="numbers or origin were changed after saving"):
        load_prototypes(path)


@pytest.mark.parametrize("name", ["counts", "confidence", "n_people", "filled_from", "n_windows", "n_empty"])
def test_what_is_told_for_reading_cannot_be_changed_either(path: Path, name: str) -> None:
    told = json.loads(beside(path).read_text())
    told[name] = 8888
    beside(path).write_text(json.dumps(told))
    with pytest.raises(DataError, match=rf"tells another {name} than eeg.safetensors holds: it was changed"):
        load_prototypes(path)


def test_files_of_two_prototypes_are_refused(path: Path, tmp_path: Path) -> None:
    other = save_prototypes(made(people=False), tmp_path / "other.safetensors")
    other.replace(path)
    with pytest.raises(DataError, match=r"do not belong together.*Copy both from one folder"):
        load_prototypes(path)


def test_another_dimension_or_digest_than_expected(path: Path) -> None:
    with pytest.raises(DataError, match=r"prototypes of 7 dimensions, expected 128. Set the student's"):
        load_prototypes(path, expect_dims=128)
    with pytest.raises(
        DataError, match=r"digest \w{12}, expected 'aaaaaaaaaaaa'. They are others than the run"
    ):
        load_prototypes(path, expect_digest="a" * 64)
    with pytest.raises(DataError, match="expected 'a'"):  # Too short to tell anything.
        load_prototypes(path, expect_digest="a")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, r"has the format '2', expected 1. Read it with the version"),
        ({"digest": None}, "it has no digest"),
        ({"k": "5"}, "holds no valid prototypes: k, the number of cells"),
        ({"k": 10**9}, "from 1 to 50, got 1000000000"),
        ({"k": 4}, r"4 x 4 grid are \(16, n_dims\), got \(25, 7\)"),
        ({"origin": 3}, "holds no valid prototypes"),
    ],
)
def test_other_json(path: Path, changes: dict, said: str) -> None:
    told = json.loads(beside(path).read_text()) | changes
    beside(path).write_text(json.dumps(told))
    with pytest.raises(DataError, match=said):
        load_prototypes(path)


@pytest.mark.parametrize("text", ["", "[1]", "{", '"a"', "[" * 100_000, "\xff"])
def test_no_json(path: Path, text: str) -> None:
    beside(path).write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"is no JSON|does not tell of prototypes"):
        load_prototypes(path)


def test_numbers_that_are_none_in_the_origin(path: Path) -> None:
    text = beside(path).read_text().replace('"seed": 3', '"seed": NaN')
    beside(path).write_text(text)
    with pytest.raises(DataError, match="must be what JSON can hold"):
        load_prototypes(path)


def test_missing_files(path: Path) -> None:
    beside(path).unlink()
    with pytest.raises(DataError, match=r"no file .*json. Prototypes are two files"):
        load_prototypes(path)
    with pytest.raises(DataError, match="There is no file"):
        load_prototypes(path.with_name("none.safetensors"))


def test_archives_that_could_run_code_are_not_opened(path: Path) -> None:
    with pytest.raises(DataError, match=r"named .safetensors, got 'prototypes_5x5_v4.npz'.*run code"):
        load_prototypes(path.with_name("prototypes_5x5_v4.npz"))
    archive = io.BytesIO()
    np.savez(archive, vectors=np.eye(3))
    path.write_bytes(archive.getvalue())
    with pytest.raises(DataError, match=r"is an archive of numpy or torch, expected safetensors"):
        load_prototypes(path)
    path.write_bytes(b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n")
    with pytest.raises(DataError, match="damaged or no file that save_prototypes wrote"):
        load_prototypes(path)


def test_tensors_of_something_else(path: Path) -> None:
    path.write_bytes(save({"weight": np.ones(3)}, metadata={"physioaffect_prototypes": made().digest}))
    with pytest.raises(DataError, match="holds weight, expected vectors, counts"):
        load_prototypes(path)
    path.write_bytes(save(load(save({"weight": np.ones(3)}))))
    with pytest.raises(DataError, match="damaged or no file"):
        load_prototypes(path)
    save_prototypes(made(), path)
    rewritten(path, vectors=load(path.read_bytes())["vectors"].astype(np.float64))
    with pytest.raises(DataError, match=r"vectors in eeg.safetensors is float64, expected float32"):
        load_prototypes(path)
    save_prototypes(made(), path)
    rewritten(path, vectors=np.full((25, 7), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="must be unit vectors"):
        load_prototypes(path)


def test_too_large_files(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prototype_files, "_LARGEST_FILE", 100)
    with pytest.raises(DataError, match="more than 100 bytes, and holds no prototypes that we saved"):
        load_prototypes(path)
    with pytest.raises(DataError, match=r"would be [\d,]+ bytes, more than the 100 that are read again"):
        save_prototypes(made(), path)
    monkeypatch.undo()
    monkeypatch.setattr(prototype_files, "_LONGEST_TEXT", 100)
    with pytest.raises(DataError, match=r"json has more than 100 bytes"):
        load_prototypes(path)


def test_names_and_folders_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"named .safetensors, got 'eeg.npz'. Rename it"):
        save_prototypes(made(), tmp_path / "eeg.npz")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written: .*name another"):
        save_prototypes(made(), tmp_path / "file" / "eeg.safetensors")
