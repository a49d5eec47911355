"""From ready features, trial by trial, to a table with the coordinates of `physioaffect.features.extract`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

from .seed_files import ELECTRODES

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CHANNEL_FAMILIES", "N_BANDS", "PAIR_FAMILIES", "FeatureTrial", "numbers", "table"]

N_BANDS = 5
CAUSALITY = {
    "LDS": "Acausal: the smoothing looks at the whole trial, its future included. No claim for online use.",
    "movingAve": "Not documented: the average may be centred, and then looks ahead by half its length.",
    "unknown": "Not documented: whether and how frames were smoothed is not known.",
}
_BANDS = {
    "seed": {"delta": (1, 3), "theta": (4, 7), "alpha": (8, 13), "beta": (14, 30), "gamma": (31, 50)},
    "seed_iv": {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 50)},
}
CHANNEL_FAMILIES = ("de", "psd")
# How many rows they have is not certain, and which pairs these are is not documented: rows get numbers.
PAIR_FAMILIES = ("dasm", "rasm", "asm", "dcau")


class FeatureTrial(NamedTuple):
    """One trial: who, when, which clip, and its frames first, (n_frames, ...)."""

    subject: str
    session: int
    number: int
    stimulus: str
    emotion: str
    tags: tuple[str, ...]
    values: NDArray[np.float64]


def numbers(value: object, where: str) -> NDArray[np.float64]:
    """Take an array of numbers as such, or say where there is none."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
        raise DataError(f"{where} holds no numbers. Use the file as distributed.")
    return np.asarray(value, dtype=np.float64)


def table(
    dataset: str,
    family: str,
    smoothing: str,
    frame: float,
    trials: Iterable[FeatureTrial],
    *,
    is_flat: bool = False,
) -> xr.Dataset:
    """Join trials to one table; ``is_flat`` where the columns of a frame are not told apart.

    Raises
    ------
    DataError
        If trials differ in shape, or there are none.
    """
    import xarray as xr  # noqa: PLC0415  It takes long, and most readers do without it.

    rows = list(trials)
    counts = [len(trial.values) for trial in rows]
    shapes = {trial.values.shape[1:] for trial in rows}
    if len(shapes) != 1:
        found = " and ".join(map(str, sorted(shapes))) or "nothing"
        raise DataError(
            f"The trials' {family} differ in shape or there are none: {found}. Use whole folders."
        )
    (shape,) = shapes
    bands = _BANDS["seed" if dataset == "seed" else "seed_iv"]
    first = "channel" if family in CHANNEL_FAMILIES else "pair"
    axes: dict[str, list[str]] = (
        {"column": [str(number + 1) for number in range(shape[0])]}
        if is_flat
        else {
            first: list(ELECTRODES) if first == "channel" else [str(row + 1) for row in range(shape[0])],
            "band": list(bands),
        }
    )
    window = np.concatenate([np.arange(count) for count in counts])
    columns = {
        "dataset": [dataset] * len(rows),
        "subject": [trial.subject for trial in rows],
        "session": [str(trial.session) for trial in rows],
        "trial": [str(trial.number) for trial in rows],
        "stimulus": [trial.stimulus for trial in rows],
        "condition": [trial.emotion for trial in rows],
        "order": [trial.number - 1 for trial in rows],
        "tags": ["; ".join(trial.tags) for trial in rows],
    }
    per_window = {name: np.repeat(np.array(column), counts) for name, column in columns.items()} | {
        "window": window,
        "start": window * frame,
        "duration": np.full(len(window), frame),
        "elapsed": np.full(len(window), np.nan),
        "quality": np.ones(len(window)),
    }
    attrs = {
        "source": f"{dataset}, features as distributed",
        "frame_seconds": frame,
        "smoothing": smoothing,
        "causality": CAUSALITY[smoothing],
    }
    if not is_flat and dataset != "seed_v":
        attrs["band_edges_hz"] = [list(edges) for edges in bands.values()]
    values = np.concatenate([trial.values for trial in rows])
    return xr.Dataset(
        {family: (("window", *axes), values, attrs)},
        coords={name: ("window", column) for name, column in per_window.items()} | axes,
        attrs=attrs,
    )
