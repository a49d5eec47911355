"""The table that models are fitted on: labels and inputs, row by row beside the coordinates."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physioaffect.data_set import Exclusion, Target, Task
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.models import BASELINE_COLUMNS
from physioaffect.evaluation.protocols import codes, person_names
from physioaffect.evaluation.scoring import POOLED
from physioaffect.features.trial_table import COVERAGE
from physioaffect.recording import Trial
from physioaffect.windows import Windows

__all__ = ["Missing", "Table", "make_table"]

Missing = Literal["leave_out", "keep"]
IDENTIFIERS = ("dataset", "subject", "session", "trial", "stimulus", "window")


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Windows that have a label and the features that were asked for.

    ``coords`` has one row per window, with the column ``target``; ``features`` the same rows; ``raw`` the raw
    windows, whose row ``raw_idx[i]`` belongs to row ``i``. ``undefined`` names features that no window has,
    which are not among ``features``.
    """

    coords: pd.DataFrame
    features: xr.Dataset
    raw: Windows | None
    raw_idx: NDArray[np.intp]
    undefined: tuple[str, ...] = ()

    @cached_property
    def identity(self) -> pd.DataFrame:
        """Who and when each window is: the columns of ``IDENTIFIERS``, start and duration."""
        return self.coords[[*IDENTIFIERS, "start", "duration"]]

    @cached_property
    def target(self) -> NDArray[Any]:
        """Label of each window, shape (n_windows,)."""
        return np.array(self.coords["target"].to_list())

    @cached_property
    def people(self) -> NDArray[np.str_]:
        """Person of each window, shape (n_windows,)."""
        return person_names(self.coords)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Name of each column of `flat`, such as ``de:Fp1:alpha``."""
        return tuple(name for family in self.features.data_vars for name in self._names(family))

    def _names(self, family: Hashable) -> list[str]:
        values = self.features[family]
        axes = [values[dim].values for dim in values.dims[1:]]
        return [":".join([str(family), *map(str, parts)]) for parts in product(*axes)]

    def names(self, layout: tuple[str, ...] | None) -> tuple[str, ...]:
        """Name of each number of a flattened window of `inputs`, of raw windows the name of each channel."""
        if layout is None:
            return self.feature_names
        if layout == ("channel", "time") and self.raw is not None:
            return tuple(f"eeg:{name}" for name in self.raw.ch_names)
        return tuple(self._names(self._family(layout)))

    def _family(self, layout: tuple[str, ...]) -> Hashable:
        for family, values in self.features.data_vars.items():
            if values.dims[1:] == layout:
                return family
        there = [" x ".join(map(str, v.dims[1:])) for v in self.features.data_vars.values()]
        raise ProtocolError(
            f"The model wants windows of {' x '.join(layout)}; the features are {', '.join(there)}"
            f"{'' if self.raw is None else ', channel x time'}. Add a family of that shape to the recipe."
        )

    def flat(self) -> NDArray[np.float64]:
        """All features side by side, shape (n_windows, n_features)."""
        return _flatten(self.features)

    def inputs(self, layout: tuple[str, ...] | None) -> Any:
        """Input for a model of that layout; something that can be indexed by rows.

        Raises
        ------
        ProtocolError
            If no family of features has those dimensions.
        """
        if layout is None:
            return self.flat()
        if layout == ("channel", "time") and self.raw is not None:
            return self.raw.select(self.raw_idx)
        values = self.features[self._family(layout)]
        # With the names of channels, by which networks know them, and no other coordinates.
        names = {dim: values[dim].values for dim in layout if dim in values.coords}
        return xr.DataArray(values.values, dims=values.dims, coords=names)

    def baseline_inputs(self) -> NDArray[np.float64]:
        """What baselines see, shape (n_windows, 3): order, time in s, number of the trial."""
        time = self.coords["elapsed"].to_numpy(dtype=float)
        # Without the session's clock, the time within the trial is what elapsed.
        time = np.where(np.isnan(time), self.coords["start"].to_numpy(dtype=float), time)
        columns = {
            "order": self.coords["order"].to_numpy(dtype=float),
            "time": time,
            "trial_number": codes(self.coords, "trial").astype(float),
        }
        return np.stack([columns[name] for name in BASELINE_COLUMNS], axis=1)


def _flatten(features: xr.Dataset) -> NDArray[np.float64]:
    parts = [np.asarray(v.values, dtype=float).reshape(v.shape[0], -1) for v in features.data_vars.values()]
    return np.concatenate(parts, axis=1)


def _targets(coords: pd.DataFrame, task: Task, ratings: list[str]) -> list[str | float | None]:
    """Label of every window, asked once a trial from a trial without signals."""
    labels: dict[int, str | float | None] = {}
    trials = codes(coords, "trial")
    for trial, row in zip(*np.unique(trials, return_index=True), strict=True):
        first: Mapping[str, Any] = coords.iloc[row].to_dict()
        shell = Trial(
            **{name: first[name] for name in ("dataset", "subject", "session", "trial", "stimulus")},
            signals={},
            ratings={name: float(first[name]) for name in ratings if np.isfinite(first[name])},
            condition=first["condition"],
            order=int(first["order"]),
        )
        labels[int(trial)] = _checked(task.target(shell), shell, task)
    return [labels[int(trial)] for trial in trials]


def _checked(label: Target, trial: Trial, task: Task) -> str | float | None:
    """Take the heaviest of a soft label; refuse what the task does not know."""
    if isinstance(label, Mapping):
        weights = dict(label)
        label = max(weights, key=weights.__getitem__) if weights else None
    if label is None or (task.kind == "regression" and isinstance(label, int | float)):
        return label
    if label not in task.classes:
        raise ProtocolError(
            f"Task {task.name} labels trial {trial.trial} of subject {trial.subject} {label!r}, which is not "
            f"{'a number' if task.kind == 'regression' else 'one of ' + ', '.join(task.classes)}. Mend its "
            "target."
        )
    return label


def make_table(
    features: xr.Dataset, task: Task, *, raw: Windows | None = None, missing: Missing = "leave_out"
) -> tuple[Table, list[Exclusion]]:
    """Label the windows and leave out those that cannot be used.

    Parameters
    ----------
    features : xarray.Dataset
        A feature table as `physioaffect.features.extract` makes it.
    task : Task
        Gives each trial its label; trials without one are left out.
    raw : Windows, optional
        Raw windows of the same rows.
    missing : {"leave_out", "keep"}
        Whether a window goes that lacks a feature, or only one that lacks all. A feature that no window has,
        because windows of this length do not carry it, is dropped either way.

    Returns
    -------
    table : Table
        The windows left.
    exclusions : list of Exclusion
        One per subject and reason.

    Raises
    ------
    ProtocolError
        If nothing is left, or only one class.
    """
    columns = [name for name, value in features.coords.items() if value.dims == ("window",)]
    coords = pd.DataFrame({str(name): features[name].values for name in columns})
    known = {*IDENTIFIERS, "condition", "order", "start", "duration", "elapsed", "quality", "tags"}
    if lacking := sorted(known - set(coords)):
        raise ProtocolError(
            f"The feature table lacks the coordinates {', '.join(lacking)} along window. Make it with "
            "physioaffect.features.extract, or assign them."
        )
    if POOLED in set(coords["subject"]):
        raise ProtocolError(f"No subject may be called {POOLED}: that names the score of all. Rename it.")
    ratings = [
        name
        for name in map(str, coords)
        if name not in known and not name.startswith(COVERAGE) and coords[name].dtype.kind in "iufb"
    ]
    target = _targets(coords, task, ratings)
    is_labelled = np.array([label is not None for label in target])
    features, undefined = _defined(features)
    is_there = np.isfinite(_flatten(features))
    is_complete = np.asarray(is_there.all(axis=1) if missing == "leave_out" else is_there.any(axis=1))
    if raw is not None:
        is_complete &= raw.coverage == 1
    exclusions = _why_left_out(coords, features, is_labelled, is_complete, task)
    rows = np.flatnonzero(is_labelled & is_complete)
    if len(rows) == 0:
        reasons = " ".join(exclusion.reason for exclusion in exclusions[:3])
        raise ProtocolError(f"No window is left for task {task.name}. {reasons}")
    kept = coords.iloc[rows].reset_index(drop=True)
    kept["target"] = [target[row] for row in rows]
    if task.kind == "regression":
        kept["target"] = kept["target"].astype(float)
    elif len(present := kept["target"].unique()) < 2:
        raise ProtocolError(
            f"Task {task.name} tells {' from '.join(task.classes)}, but all {len(rows)} windows at hand are "
            f"{present[0]!r}: there is nothing to tell apart. Add people or choose another task."
        )
    chosen = features.isel(window=rows)
    return Table(coords=kept, features=chosen, raw=raw, raw_idx=rows, undefined=undefined), exclusions


def _defined(features: xr.Dataset) -> tuple[xr.Dataset, tuple[str, ...]]:
    """Drop features that no window has, of families with one dimension that have any at all."""
    undefined: list[str] = []
    for name, values in features.data_vars.items():
        if values.ndim != 2:
            continue
        dim = str(values.dims[1])
        is_defined = np.isfinite(values.values).any(axis=0)
        # Another family may share the dimension, and a family without any value is a fault to be told.
        shared = sum(dim in other.dims for other in features.data_vars.values()) > 1
        if shared or is_defined.all() or not is_defined.any():
            continue
        undefined += [f"{name}:{one}" for one in values[dim].values[~is_defined]]
        features = features.isel({dim: np.flatnonzero(is_defined)})
    return features, tuple(undefined)


def _why_left_out(
    coords: pd.DataFrame,
    features: xr.Dataset,
    is_labelled: NDArray[np.bool_],
    is_complete: NDArray[np.bool_],
    task: Task,
) -> list[Exclusion]:
    exclusions = []
    for subject, own in coords.groupby("subject", sort=False):
        rows = own.index.to_numpy()
        if n_trials := own.loc[~is_labelled[rows], ["session", "trial"]].drop_duplicates().shape[0]:
            reason = f"{n_trials} trials have no label in task {task.name}."
            exclusions.append(Exclusion(subject=str(subject), reason=reason, expected=True))
        missing = rows[is_labelled[rows] & ~is_complete[rows]]
        if len(missing):
            families = [
                _what_lacks(values.isel(window=missing))
                for values in features.data_vars.values()
                if not np.isfinite(values.values[missing]).all()
            ]
            n_windows = int(is_labelled[rows].sum())
            what = ", ".join(families) or "raw samples"
            reason = f"{len(missing)} of {n_windows} windows lack values of {what}."
            exclusions.append(
                Exclusion(subject=str(subject), reason=reason, expected=len(missing) < n_windows)
            )
    return exclusions


def _what_lacks(values: xr.DataArray) -> str:
    """Name a family, and the few of its channels or features to which alone values are lacking."""
    dim = values.dims[1]
    others = [other for other in values.dims if other != dim]
    is_lacking = ~xr.DataArray(np.isfinite(values)).all(others).values
    names = [str(name) for name in values[dim].values[is_lacking]]
    return str(values.name) if len(names) > 3 or is_lacking.all() else f"{values.name} ({', '.join(names)})"
