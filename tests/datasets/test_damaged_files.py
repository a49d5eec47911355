"""Any file of any data set, cut at any tenth or changed anywhere: read, or refused in a sentence of ours."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioaffect.data_set import Exclusion
from physioaffect.datasets import (
    DATASETS,
    FACE_SETS,
    seed_features,
    seed_iv_features,
    seed_v_features,
    wesad_e4,
    wesad_quest,
    wesad_respiban,
)
from physioaffect.errors import DataError

# Of these nothing can be missing unnoticed.
BINARY = {".bdf", ".cnt", ".dat", ".edf", ".mat", ".npz", ".pkl", ".zip"}
SECONDS: Mapping[str, float] = {"eegmat": 61.0, "wesad": 4.0, "wesad_chest": 4.0}


ALSO: Mapping[str, tuple[Callable[[Path], object], ...]] = {
    "seed": (seed_features, partial(seed_features, frame=4)),
    "seed_iv": (seed_iv_features,),
    "seed_v": (seed_v_features,),
    "wesad": tuple(partial(read, subject="S2") for read in (wesad_e4, wesad_quest, wesad_respiban)),
}


def simulate(name: str, root: Path) -> Path:
    dataset: Any = {**DATASETS, **FACE_SETS}[name]
    accepted = inspect.signature(dataset.simulate).parameters
    wanted: dict[str, Any] = {"n_subjects": 1, "n_clips": 5 if name.startswith("wesad") else 2}
    wanted |= {"max_seconds": SECONDS.get(name, 2.0)} if name in DATASETS else {}
    return Path(dataset.simulate(root, **{key: value for key, value in wanted.items() if key in accepted}))


def use(name: str, root: Path) -> list[Exclusion]:
    """Read everything that there is a reader for."""
    exclusions: list[Exclusion] = []
    dataset: Any = {**DATASETS, **FACE_SETS}[name]
    for item in dataset.read(root, report=exclusions.append):
        assert item.dataset == dataset.name
    for read in ALSO.get(name, ()):
        read(root)
    return [item for item in exclusions if not item.expected]


@pytest.fixture(scope="module", params=sorted({*DATASETS, *FACE_SETS} - {"eegmat_whole", "wesad_chest"}))
def dataset(request, tmp_path_factory) -> tuple[str, Path, list[Path]]:
    """A data set as small as can be; the first file of each kind in each of its folders."""
    name = request.param
    root = simulate(name, tmp_path_factory.mktemp(name) / "root")
    before = use(name, root)
    kinds: dict[tuple[str, str], Path] = {}
    for path in sorted(root.parent.rglob("*")):
        # MAHNOB's neutral recordings are not opened.
        if path.is_file() and path.name != "SIMULATED.txt" and "_N_" not in path.name:
            folder = "" if name in ("mahnob", "wesad") else path.parent.name
            tail = path.name.partition("_")[2] if name == "wesad" else path.suffix
            kinds.setdefault((folder, tail), path)
    assert before == []
    return name, root, sorted(kinds.values())


def damaged(name: str, root: Path, path: Path, content: bytes | bytearray) -> str:
    """The sentence about a file of that content; empty if it is read."""
    good = path.read_bytes()
    path.write_bytes(content)
    try:
        exclusions = use(name, root)
    except DataError as error:
        return str(error)
    finally:
        path.write_bytes(good)
    return exclusions[0].reason if exclusions else ""


@pytest.mark.parametrize("tenth", range(10))
def test_a_file_cut_at_any_tenth_is_refused_or_is_text_that_still_makes_sense(dataset, tenth):
    name, root, paths = dataset
    for path in paths:
        content = path.read_bytes()
        said = damaged(name, root, path, content[: len(content) * tenth // 10])
        assert said or path.suffix not in BINARY, f"{path.name} is read although it is cut at {tenth}/10"


PUT = st.binary(max_size=8) | st.sampled_from(
    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"nan", b"1e308"]
)
CHANGE = st.tuples(st.sampled_from(["head", "body", "tail"]), st.integers(0, 2**31), PUT, st.booleans())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 99), changes=st.lists(CHANGE, min_size=1, max_size=4))
def test_a_file_changed_anywhere_is_read_or_refused(dataset, which, changes):
    name, root, paths = dataset
    path = paths[which % len(paths)]
    changed = bytearray(path.read_bytes())
    for region, offset, put, is_inserted in changes:
        # Headers stand at the beginning, and in zip archives at the end.
        n = len(changed)
        first, last = {"head": (0, min(n, 600)), "body": (0, n), "tail": (max(0, n - 300), n)}[region]
        place = first + offset % (last - first + 1)
        changed[place : place + (0 if is_inserted else len(put))] = put
    damaged(name, root, path, changed)
