"""The ready features that come with SEED, SEED-IV and SEED-V, as tables for `evaluate`.

They were computed by the data sets' makers. ``LDS`` is a smoothing that looks at the whole trial, its future
included: a score on it holds for recordings, never for a system that runs while it measures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from physioaffect.errors import DataError

from . import seed, seed_iv
from .formats.matlab import browse
from .seed_feature_table import CHANNEL_FAMILIES, N_BANDS, PAIR_FAMILIES, FeatureTrial, numbers, table
from .seed_files import ELECTRODES, MAT_NAME, Person, SeedStudy, find_folder
from .seed_v_npz import npz_trials
from .simulated_mark import tags_of_folder

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["seed_features", "seed_iv_features", "seed_v_features"]

Smoothing = Literal["movingAve", "LDS"]

_LARGEST = 400_000_000
_NPZ = re.compile(r"(\d{1,3})_123\.npz")


def seed_features(
    root: Path | str,
    *,
    family: str = "de",
    smoothing: Smoothing = "LDS",
    frame: Literal[1, 4] = 1,
    subjects: Sequence[str] | None = None,
) -> xr.Dataset:
    """Read SEED's ready features.

    Parameters
    ----------
    root : path
        The folder as distributed, or ``ExtractedFeatures_1s`` (``_4s``; ``ExtractedFeatures`` in older
        releases, frames of 1 s) itself.
    family : {"de", "psd", "dasm", "rasm", "asm", "dcau"}
        Differential entropy and power have channels; the others pairs, which are numbered.
    smoothing : {"LDS", "movingAve"}
        ``LDS`` looks ahead within the trial.
    frame : {1, 4}
        Seconds of a frame.
    subjects : sequence of str, optional
        Only these people.

    Returns
    -------
    features : xarray.Dataset
        One variable, named by the family, of dimensions ("window", "channel" or "pair", "band"), with the
        coordinates of `physioaffect.features.extract`. A window is a frame.

    Raises
    ------
    DataError
        If the folder is not SEED's features, a file is broken, or a subject is unknown.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.datasets import SEED
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = SEED.simulate(folder, n_subjects=1, n_clips=2, max_seconds=5)
    ...     features = seed_features(folder, family="psd", smoothing="movingAve")
    >>> features.psd.dims, features.psd.shape, features.attrs["band_edges_hz"][0]
    (('window', 'channel', 'band'), (30, 62, 5), [1, 3])
    """
    _check_choice("family", family, (*CHANNEL_FAMILIES, *PAIR_FAMILIES))
    _check_choice("smoothing", smoothing, ("LDS", "movingAve"))
    root, names = Path(root), (f"ExtractedFeatures_{frame}s", *(["ExtractedFeatures"] if frame == 1 else []))
    folder = _first_folder(root, names, "SEED's features")
    people = _chosen(seed.open_folder(folder), subjects, folder)
    trials = _from_mat(seed.STUDY, people, f"{family}_{smoothing}", family)
    return table("seed", family, smoothing, float(frame), trials)


def seed_iv_features(
    root: Path | str,
    *,
    family: str = "de",
    smoothing: Smoothing = "LDS",
    subjects: Sequence[str] | None = None,
) -> xr.Dataset:
    """Read SEED-IV's ready features, in frames of 4 s.

    Parameters
    ----------
    root : path
        The folder as distributed, or ``eeg_feature_smooth`` itself.
    family : {"de", "psd"}
        Differential entropy or power.
    smoothing : {"LDS", "movingAve"}
        ``LDS`` looks ahead within the trial.
    subjects : sequence of str, optional
        Only these people.

    Returns
    -------
    features : xarray.Dataset
        As of `seed_features`.

    Raises
    ------
    DataError
        If the folder is not SEED-IV's features, a file is broken, or a subject is unknown.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.datasets import SEED_IV
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = SEED_IV.simulate(folder, n_subjects=1, n_clips=2, max_seconds=12)
    ...     features = seed_iv_features(folder)
    >>> features.de.shape, features.de.attrs["smoothing"]
    ((18, 62, 5), 'LDS')
    """
    _check_choice("family", family, CHANNEL_FAMILIES)
    _check_choice("smoothing", smoothing, ("LDS", "movingAve"))
    root = Path(root)
    folder = find_folder(root, "eeg_feature_smooth", re.compile("[123]"), "SEED-IV's features")
    people = _chosen(seed_iv.open_folder(folder, root), subjects, folder)
    trials = _from_mat(seed_iv.STUDY, people, f"{family}_{smoothing}", family)
    return table("seed_iv", family, smoothing, 4.0, trials)


def seed_v_features(
    root: Path | str,
    *,
    order: tuple[Literal["channel", "band"], Literal["channel", "band"]] | None = None,
    subjects: Sequence[str] | None = None,
) -> xr.Dataset:
    """Read SEED-V's ready differential entropy, in frames of 4 s.

    Parameters
    ----------
    root : path
        The folder as distributed, or ``EEG_DE_features`` itself.
    order : ("channel", "band") or ("band", "channel"), optional
        How the 310 columns were flattened. Readers disagree: one makes them (62, 5), another (5, 62). Settle
        it on the real files (alpha should peak over the back of the head) before anything spatial is said.
        Default: columns are numbered, and nothing is claimed.
    subjects : sequence of str, optional
        Only these people.

    Returns
    -------
    features : xarray.Dataset
        As of `seed_features`, of dimensions ("window", "channel", "band"), or ("window", "column").

    Raises
    ------
    DataError
        If the folder is not SEED-V's features, a file is broken or refused, or a subject is unknown.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.datasets import SEED_V
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = SEED_V.simulate(folder, n_subjects=1, n_clips=2, max_seconds=12)
    ...     flat = seed_v_features(folder)
    ...     shaped = seed_v_features(folder, order=("channel", "band"))
    >>> flat.de.shape, shaped.de.shape
    ((18, 310), (18, 62, 5))
    """
    if order is not None:
        _check_choice("order", order, (("channel", "band"), ("band", "channel")))
    folder = find_folder(Path(root), "EEG_DE_features", _NPZ, "SEED-V's features")
    found = {int(m[1]): path for path in folder.iterdir() if (m := _NPZ.fullmatch(path.name))}
    people = _chosen({str(number): found[number] for number in sorted(found)}, subjects, folder)
    tags = tags_of_folder(folder)
    trials = (trial for name, path in people.items() for trial in npz_trials(name, path, tags, order))
    return table("seed_v", "de", "unknown", 4.0, trials, is_flat=order is None)


def _check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        raise DataError(f"Unknown {name} {value!r}: use one of {', '.join(map(str, choices))}.")


def _chosen(people: Mapping[str, Any], subjects: Sequence[str] | None, folder: Path) -> dict[str, Any]:
    chosen = tuple(people if subjects is None else dict.fromkeys(subjects))
    if unknown := [name for name in chosen if name not in people]:
        raise DataError(f"{folder} has no subject {unknown[0]!r}; it has {', '.join(people) or 'none'}.")
    return {name: people[name] for name in chosen}


def _first_folder(root: Path, names: Sequence[str], title: str) -> Path:
    for name in names[:-1]:
        try:
            return find_folder(root, name, MAT_NAME, title)
        except DataError:
            continue
    return find_folder(root, names[-1], MAT_NAME, title)


def _from_mat(
    study: SeedStudy, people: Mapping[str, Person], stem: str, family: str
) -> Iterator[FeatureTrial]:
    for subject, person in people.items():
        if person.fault:
            raise DataError(person.fault)
        for session in person.sessions:
            with browse(session.path, f"{stem}1") as variables:
                for number in range(1, person.n_trials[session.number - 1] + 1):
                    name = f"{stem}{number}"
                    if name not in variables.shapes:
                        there = ", ".join(list(variables.shapes)[:4]) or "nothing"
                        raise DataError(
                            f"{session.path} lacks {name}; it has {there} and so on. Use the features as "
                            "distributed, not the recordings."
                        )
                    where = f"{name} in {session.path}"
                    _check_shape(variables.shapes[name], family, where)
                    value = variables.load(name, largest=_LARGEST).value
                    yield FeatureTrial(
                        subject,
                        session.number,
                        number,
                        study.stimulus(session.number, number),
                        study.emotions[session.number - 1][number - 1],
                        person.tags,
                        numbers(value, where).transpose(1, 0, 2),
                    )


def _check_shape(shape: tuple[int, ...], family: str, where: str) -> None:
    n_channels = len(ELECTRODES)
    is_right = len(shape) == 3 and shape[2] == N_BANDS and shape[1] > 0 and shape[0] > 0
    if not is_right or (family in CHANNEL_FAMILIES and shape[0] != n_channels):
        rows = n_channels if family in CHANNEL_FAMILIES else "pairs"
        raise DataError(
            f"{where} has shape {shape}; expected ({rows}, frames, {N_BANDS}). Use the file as distributed."
        )
