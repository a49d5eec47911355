"""The npz files of SEED-V's features: two byte strings each, pickles of Python 2, read without unpickling."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physioaffect.devices.empatica import ZIP_ERRORS
from physioaffect.errors import DataError

from .seed_feature_table import N_BANDS, FeatureTrial, numbers
from .seed_files import ELECTRODES
from .seed_tables import SEED_V_EMOTIONS, SEED_V_LABELS
from .unpickle import loads

__all__ = ["npz_trials"]

_LARGEST = 100_000_000  # A person's features have 6 MB.
_BYTE_STRING = re.compile(rb"'descr': '\|S(\d{1,10})'")


def npz_trials(
    subject: str, path: Path, tags: tuple[str, ...], order: tuple[str, str] | None
) -> Iterator[FeatureTrial]:
    """Read a person's trials in order.

    Parameters
    ----------
    subject : str
        Who.
    path : Path
        The file.
    tags : tuple of str
        Of the trials.
    order : ("channel", "band") or ("band", "channel"), optional
        How a frame's 310 columns were flattened. Default: they are left as they are.

    Raises
    ------
    DataError
        If the file is damaged, refused, or holds other trials, shapes or labels than everyone's.
    """
    data, labels = _dictionary(path, "data"), _dictionary(path, "label")
    n_columns = len(ELECTRODES) * N_BANDS
    n_trials = len(SEED_V_EMOTIONS[0])
    if set(data) != set(labels) or not set(data) <= set(range(3 * n_trials)) or not data:
        raise DataError(
            f"{path} has data of the trials {_listed(data)} and labels of {_listed(labels)}; expected both "
            f"of 0 to {3 * n_trials - 1}. Use the file as distributed."
        )
    for key in sorted(data):
        session, number = key // n_trials + 1, key % n_trials + 1
        values = numbers(data[key], f"Trial {key} in {path}")
        label = numbers(labels[key], f"The label of trial {key} in {path}")
        if (
            values.ndim != 2
            or values.shape[1] != n_columns
            or len(values) == 0
            or label.shape != (len(values),)
        ):
            raise DataError(
                f"Trial {key} in {path} has shape {values.shape} and labels of {label.shape}; expected "
                f"(frames, {n_columns}) and (frames,). Use the file as distributed."
            )
        emotion = SEED_V_EMOTIONS[session - 1][number - 1]
        expected = SEED_V_LABELS[session - 1][number - 1]
        if not np.all(label == expected):
            odd = label[label != expected][0]
            raise DataError(
                f"Trial {key} in {path} has the label {odd:g}; everyone else's has {expected} "
                f"({emotion}). Use the file as distributed."
            )
        if order is not None:
            sizes = {"channel": len(ELECTRODES), "band": N_BANDS}
            values = values.reshape(-1, sizes[order[0]], sizes[order[1]])
            values = values if order[0] == "channel" else values.swapaxes(1, 2)
        yield FeatureTrial(subject, session, number, f"{session}-{number}", emotion, tags, values)


def _listed(keys: Mapping[Any, Any]) -> str:
    return ", ".join(map(str, list(keys)[:5])) + (" and so on" if len(keys) > 5 else "")


def _dictionary(path: Path, name: str) -> dict[Any, Any]:
    """Take one of the two byte strings out of the archive and read the pickle that it is."""
    stream = _byte_string(_member(path, f"{name}.npy"), f"{name} in {path}")
    try:
        value = loads(stream)
    except DataError as error:
        raise DataError(f"{name} in {path}: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{name} in {path} is no dictionary by trial. Use the file as distributed.")
    return value


def _member(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(name)
            if member.file_size > _LARGEST:
                raise DataError(
                    f"{path} holds {name} of {member.file_size} bytes, more than {_LARGEST}. It is no file "
                    "of SEED-V; download it again."
                )
            with archive.open(member) as stream:
                return stream.read(_LARGEST)
    except KeyError:
        raise DataError(
            f"{path} lacks {name}; expected data.npy and label.npy. Use the file as distributed."
        ) from None
    except ZIP_ERRORS as error:
        raise DataError(
            f"{path} cannot be read as an npz file ({error}). It may be cut short: download it again."
        ) from error


def _byte_string(content: bytes, where: str) -> memoryview:
    """Find what a npy file of one byte string holds; NumPy's own reader trusts headers too much."""
    is_long = content[6:7] in (b"\x02", b"\x03")
    begin = 12 if is_long else 10
    length = int.from_bytes(content[8:begin], "little")
    header, payload = content[begin : begin + length], memoryview(content)[begin + length :]
    described = _BYTE_STRING.search(header)
    if not content.startswith(b"\x93NUMPY") or described is None or int(described[1]) != len(payload):
        raise DataError(
            f"{where} is described as {header[:60]!r} with {len(payload)} bytes after it; expected one byte "
            "string of that length. Use the file as distributed."
        )
    return payload
