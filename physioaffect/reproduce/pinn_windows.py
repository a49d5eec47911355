"""What the multi-task network is given of WESAD's wrist, with EDA beside and never among the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physioaffect.data_set import Exclusion
from physioaffect.datasets import WESAD
from physioaffect.errors import DataError
from physioaffect.evaluation import make_table
from physioaffect.features import Motion, Recipe, Temperature, extract
from physioaffect.features._windowed import mean, per_window, table
from physioaffect.pinn import usable_conditions
from physioaffect.progress import Progress
from physioaffect.recording import Trial
from physioaffect.reproduce.wesad_features import _bvp
from physioaffect.windows import Intervals, Windowing

__all__ = ["REPORTS", "PinnTable", "PinnWindows", "pinn_recipe", "pinn_table"]

Array = NDArray[np.float64]

REPORTS = ("panas_positive", "panas_negative", "valence", "arousal")
"""PANAS (two sums) and SAM, in the units of the questionnaire."""

_MOTION = ("x_mean", "y_mean", "z_mean", "mad", "jerk_rms")
_HEART = ("hr mean", "hr sd", "rmssd")
_TARGET = "eda: central mean"
STEP_S = 10.0


@dataclass(frozen=True, kw_only=True)
class PinnWindows:
    """Heart, skin temperature and movement of the wrist per window, and skin conductance in its middle.

    Parameters
    ----------
    seconds : float
        EDA is the mean over so many seconds around the middle. With the step between windows here, no two
        windows share a sample of it.

    Notes
    -----
    A mean over a fixed stretch of time obeys the same linear equation as EDA itself.
    """

    name: ClassVar[str] = "pinn_windows"
    version: ClassVar[int] = 1
    made_of: ClassVar[tuple[type, ...]] = (Temperature, Motion)
    seconds: float = STEP_S

    @property
    def signals(self) -> tuple[str, ...]:
        """All of the wrist's."""
        return ("ppg", "temperature", "acc", "eda")

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "pinn_windows_feature")

        Raises
        ------
        DataError
            If the trial lacks a sensor.
        PhysioaffectError
            If NeuroKit2 is not installed.
        """
        heart = _bvp(trial, trial.signal("ppg"), intervals)
        found = {f"ppg: {name}": heart[name] for name in _HEART}
        for key, family in (("temperature", Temperature()), ("acc", Motion(only=_MOTION))):
            made = family(trial, intervals)
            names = made[made.dims[1]].values
            found |= {f"{key}: {name}": made.values[:, column] for column, name in enumerate(names)}
        middle = Intervals(intervals.starts + (intervals.duration - self.seconds) / 2, self.seconds)
        central = per_window(trial.signal("eda"), middle, lambda x: [mean(x[:, 0])])
        found[_TARGET] = central[:, 0]
        units = dict.fromkeys(found, "as the sensor")
        return table(self.name, np.stack(list(found.values()), axis=1), units, estimator="by sensor")


def pinn_recipe() -> Recipe:
    """Windows of a minute every 10 s."""
    return Recipe(windows=Windowing(duration=60.0, step=STEP_S), features=(PinnWindows(),))


class PinnTable(NamedTuple):
    """Windows that can be used, row by row.

    ``coords`` as protocols need them; ``time`` of each window's middle in its condition; ``X`` physiology;
    ``reports``; ``eda`` in uS; ``conditions`` names person and condition.
    """

    coords: pd.DataFrame
    time: Array
    X: Array
    reports: Array
    eda: Array
    conditions: NDArray[np.str_]

    @property
    def people(self) -> NDArray[np.str_]:
        """Person of each window."""
        return np.asarray(self.coords["subject"].to_numpy(dtype=str))

    @property
    def y(self) -> NDArray[np.str_]:
        """Class of each window."""
        return np.asarray(self.coords["target"].to_numpy(dtype=str))


def pinn_table(
    root: Path | str,
    *,
    task: str = "affect_3class",
    subjects: Sequence[str] | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> tuple[PinnTable, list[Exclusion], bool]:
    """Read WESAD and keep the conditions that have physiology, EDA and a complete questionnaire.

    Parameters
    ----------
    root : path
        The folder of WESAD.
    task : str
        One of WESAD's.
    subjects : sequence of str, optional
        Only these.
    n_jobs : int
        Processes.
    progress : callable, optional
        Called with (subject, total).

    Returns
    -------
    table : PinnTable
        The three input sets are compared on the same windows, so that a condition without questionnaire is
        left out of all of them.
    exclusions : list of Exclusion
        What was left out, and why.
    is_simulated : bool
        Whether the data say that they are.

    Raises
    ------
    DataError
        If nothing is left.
    """
    made = extract(WESAD, root, pinn_recipe(), subjects=subjects, n_jobs=n_jobs, progress=progress)
    windows, left_out = make_table(made.features, WESAD.tasks[task])
    coords = windows.coords.reset_index(drop=True)
    names = list(map(str, windows.features[PinnWindows.name].dims))[1]
    columns = [str(name) for name in windows.features[names].values]
    values = windows.flat()
    eda = values[:, columns.index(_TARGET)]
    X = np.delete(values, columns.index(_TARGET), axis=1)
    time = coords["start"].to_numpy(dtype=float) + coords["duration"].to_numpy(dtype=float) / 2
    reports = np.stack(
        [
            coords[name].to_numpy(dtype=float) if name in coords else np.full(len(coords), np.nan)
            for name in REPORTS
        ],
        axis=1,
    )
    conditions = np.array([f"{s}/{t}" for s, t in zip(coords["subject"], coords["trial"], strict=True)])
    is_usable, reasons = usable_conditions(time=time, conditions=conditions, eda=eda, reports=reports)
    exclusions = [*made.exclusions, *left_out]
    for name, reason in reasons.items():
        subject, _, trial = name.partition("/")
        exclusions.append(Exclusion(subject=subject, trial=trial, reason=f"{name} {reason}."))
    if not is_usable.any():
        told = "; ".join(f"{name} {reason}" for name, reason in list(reasons.items())[:3])
        raise DataError(
            f"No condition in {root} can be used: {told}. Give the whole data set with SX_quest.csv of each "
            "person."
        )
    tags = coords["tags"].astype(str)
    kept = PinnTable(
        coords[is_usable].reset_index(drop=True),
        time[is_usable],
        X[is_usable],
        reports[is_usable],
        eda[is_usable],
        conditions[is_usable],
    )
    return kept, exclusions, bool(tags.str.contains("simulated").any())
