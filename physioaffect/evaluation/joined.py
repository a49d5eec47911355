"""Several data sets in one table, and one task for all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from physioaffect.data_set import DataSet, Target, Task
from physioaffect.datasets import DATASETS
from physioaffect.errors import DataError, ProtocolError
from physioaffect.features import concatenate
from physioaffect.recording import Trial

__all__ = ["common_task", "join_features"]

# Dimensions along which places are named: those that all tables have are kept.
_PLACES = ("channel", "edge", "frontal_pair", "mirror_pair", "pair")

# What may differ between tables of the same feature.
_OF_THE_RECORDING = ("signal_unit", "device")

# Features whose values hang on the sampling rate, because differences between neighbouring samples do.
_OF_THE_RATE = ("fractal_dimension", "hjorth", "line_length")

# Different recordings, or versions, of the same people.
_SAME_PEOPLE = (
    {"deap", "deap_original"},
    {"eegmat", "eegmat_whole"},
    {"seed", "seed_raw"},
    {"wesad", "wesad_chest"},
)


def join_features(tables: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put the feature tables of several data sets below one another.

    Channels (and pairs of them) that all tables have are kept, by name and in the order of the first table;
    ratings that one lacks are NaN there. Everything else must be the same: families, bands, settings of the
    features, lengths of windows, cleaning, baseline and smoothing, and the sampling rate where features are
    made of differences between neighbouring samples. To get that, extract all with one recipe
    that suits each: bands inside the narrowest passband.

    Parameters
    ----------
    tables : sequence of xarray.Dataset
        As `physioaffect.features.extract` makes them, one or more data sets in each.

    Returns
    -------
    xarray.Dataset
        All windows, in order. The attribute ``joined`` says in a sentence for each data set what was dropped
        and what differs; it is also among the ``tags`` of its windows, and so among the notes of a run.

    Raises
    ------
    DataError
        If there are fewer than two tables, two have people in common, something differs that must not, or no
        channel is in all.

    Notes
    -----
    Units of the recordings may differ (DREAMER's EEG is in the device's own unit, DEAP's in volts). Features
    are then comparable within a person only: evaluate under ``cross_dataset_transductive``, which
    standardises each person. Under ``cross_dataset`` an offset that is none of affect's moves the model.

    Examples
    --------
    >>> from physioaffect.datasets import DEAP, DREAMER
    >>> from physioaffect.features import extract, default_recipe
    >>> recipe = default_recipe(DEAP)
    >>> tables = [extract(data, root, recipe).features for data, root in study]  # doctest: +SKIP
    >>> evaluate(
    ...     join_features(tables),
    ...     task=common_task([DREAMER, DEAP], "valence"),
    ...     protocols=["cross_dataset"],
    ...     models=["lda"],
    ... )  # doctest: +SKIP
    """
    if len(tables) < 2:
        raise DataError(f"join_features joins at least two feature tables, got {len(tables)}.")
    names = [_name(table) for table in tables]
    _refuse_same_people(tables)
    for name, table in zip(names[1:], tables[1:], strict=True):
        if difference := next(_differences(tables[0], names[0], table, name), None):
            raise DataError(
                f"The tables of {names[0]} and {name} cannot be joined: {difference} Extract both with one "
                "recipe, whose bands fit both passbands."
            )
    kept = _common_places(tables, names)
    cut = [table.sel({dim: places for dim, places in kept.items() if dim in table.dims}) for table in tables]
    notes = {
        name: _note(name, table, kept, tables[0], names[0]) for name, table in zip(names, tables, strict=True)
    }
    noted = [_tagged(table, notes[name]).drop_attrs() for name, table in zip(names, cut, strict=True)]
    joined = concatenate(noted)
    for family in joined.data_vars:
        joined[family].attrs = _shared([table[family].attrs for table in tables])
    said = " ".join(f"{note[0].upper()}{note[1:]}." for note in notes.values() if note)
    return joined.assign_attrs(
        _shared([table.attrs for table in tables]),
        joined=said or "Nothing was dropped, and nothing differs.",
        dataset=", ".join(names),
        source_hash=", ".join(str(table.attrs.get("source_hash", "")) for table in tables),
    )


def _shared(attributes: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
    """What all tables say alike."""
    first, *others = attributes
    return {
        name: value
        for name, value in first.items()
        if all(
            name in other and json.dumps(other[name], default=str) == json.dumps(value, default=str)
            for other in others
        )
    }


def _name(table: xr.Dataset) -> str:
    if "dataset" not in table.coords:
        raise DataError("A feature table to be joined lacks the coordinate dataset: assign it, per window.")
    return "+".join(map(str, np.unique(table["dataset"].values)))


def _refuse_same_people(tables: Sequence[xr.Dataset]) -> None:
    there: list[str] = [str(name) for table in tables for name in np.unique(table["dataset"].values)]
    for name in there:
        also = {name}.union(*(group for group in _SAME_PEOPLE if name in group))
        if sum(other in also for other in there) > 1:
            same = [other for other in there if other in also]
            raise DataError(
                f"{' and '.join(same)} have people in common, who would be on both sides of a split. Join "
                "one of them only."
            )


def _differences(first: xr.Dataset, first_name: str, other: xr.Dataset, name: str) -> Iterator[str]:
    """Say what keeps two tables apart."""
    families = [list(map(str, table.data_vars)) for table in (first, other)]
    if families[0] != families[1]:
        yield f"{first_name} has the families {', '.join(families[0])}, {name} has {', '.join(families[1])}."
    for family in families[0]:
        one, two = first[family], other[family]
        if one.dims != two.dims:
            yield f"{family} is {' x '.join(map(str, one.dims))} and {' x '.join(map(str, two.dims))}."
        for dim in one.dims[1:]:
            values = [list(map(str, part[dim].values)) for part in (one, two)]
            if dim not in _PLACES and values[0] != values[1]:
                yield f"the {dim}s of {family} are {', '.join(values[0])} and {', '.join(values[1])}."
        for key in dict.fromkeys([*one.attrs, *two.attrs]):
            own = [json.dumps(part.attrs.get(key), default=str) for part in (one, two)]
            if key not in _OF_THE_RECORDING and own[0] != own[1]:
                yield f"{key} of {family} is {own[0]} and {own[1]}."
    lengths = [np.unique(np.round(table["duration"].values, 6)).tolist() for table in (first, other)]
    if lengths[0] != lengths[1]:
        yield f"windows last {lengths[0]} s and {lengths[1]} s."
    rates = [_rates(table) for table in (first, other)]
    if (depend := sorted({*families[0]} & {*_OF_THE_RATE})) and rates[0] != rates[1]:
        yield f"{depend[0]} depends on the sampling rate, which is {rates[0]} Hz and {rates[1]} Hz."
    steps = [_steps(table) for table in (first, other)]
    for key in sorted(steps[0].keys() & steps[1].keys()):
        if steps[0][key] != steps[1][key]:
            yield f"{key} is {steps[0][key]} and {steps[1][key]}."


def _rates(table: xr.Dataset) -> list[float]:
    """Sampling rates of the EEG of the data sets in a table, where they are known by name."""
    known = [DATASETS[name] for name in map(str, np.unique(table["dataset"].values)) if name in DATASETS]
    return sorted({dataset.sfreqs["eeg"] for dataset in known if "eeg" in dataset.sfreqs})


def _steps(table: xr.Dataset) -> dict[str, str]:
    """What was done besides the features themselves, if the table tells."""
    recipe = json.loads(table.attrs.get("recipe", "{}"))
    return {key: json.dumps(recipe[key]) for key in ("baseline", "cleaning", "smoothing") if key in recipe}


def _common_places(tables: Sequence[xr.Dataset], names: Sequence[str]) -> dict[str, list[str]]:
    """Names along each spatial dimension that all tables have, in the order of the first."""
    kept = {}
    for dim in _PLACES:
        if dim not in tables[0].dims:
            continue
        first, *others = ([str(place) for place in table[dim].values] for table in tables)
        _refuse_reversed(first, others)
        kept[dim] = [place for place in first if all(place in other for other in others)]
        if not kept[dim]:
            raise DataError(
                f"{' and '.join(names)} have no {dim} in common: {', '.join(first[:4])}, ... against "
                f"{', '.join(others[0][:4])}, ... Use features that have no {dim}s."
            )
    return kept


def _refuse_reversed(first: Sequence[str], others: Sequence[Sequence[str]]) -> None:
    """Refuse pairs of the same two electrodes in the other order, whose values may have another sign."""
    turned = {"-".join(reversed(place.split("-"))): place for place in first if "-" in place}
    for other in others:
        for place in other:
            if place in turned and place not in first:
                raise DataError(
                    f"One table has the pair {turned[place]} and another {place}: their electrodes come in "
                    "another order. Use features of channels instead of pairs."
                )


def _note(
    name: str, table: xr.Dataset, kept: dict[str, list[str]], first: xr.Dataset, first_name: str
) -> str:
    """What was dropped of a table, and what it does not share with the first, in one sentence."""
    parts = []
    for dim, places in kept.items():
        if dropped := [str(place) for place in table[dim].values if str(place) not in places]:
            parts.append(
                f"{len(dropped)} of its {table.sizes[dim]} {dim}s were dropped ({', '.join(dropped[:40])})"
            )
    units = {
        (str(first[family].attrs["signal_unit"]), str(values.attrs["signal_unit"]))
        for family, values in table.data_vars.items()
        if "signal_unit" in values.attrs and "signal_unit" in first[family].attrs
    }
    parts += [
        f"its recordings are in {own} and those of {first_name} in {others}, so that values compare within a "
        "person only"
        for others, own in sorted(units)
        if own != others
    ]
    return f"of {name}, joined with others, " + " and ".join(parts) if parts else ""


def _tagged(table: xr.Dataset, note: str) -> xr.Dataset:
    if not note or "tags" not in table.coords:
        return table
    tags = [f"{tag}; {note}" if tag else note for tag in table["tags"].values.astype(str)]
    return table.assign_coords(tags=("window", np.array(tags)))


@dataclass(frozen=True)
class _ByDataset:
    """Label a trial by the task of the data set it comes from."""

    tasks: dict[str, Task]

    def __call__(self, trial: Trial) -> Target:
        if trial.dataset not in self.tasks:
            raise ProtocolError(
                f"The common task labels trials of {', '.join(self.tasks)}, but the table has trials of "
                f"{trial.dataset}. Name that data set in common_task, too."
            )
        return self.tasks[trial.dataset].target(trial)


def common_task(datasets: Sequence[str | DataSet], name: str) -> Task:
    """Make one task of the tasks of that name that several data sets have.

    Each trial is labelled as its own data set does it, with that data set's threshold.

    Parameters
    ----------
    datasets : sequence of str or DataSet
        By name or as values.
    name : str
        Of a task that all of them have.

    Returns
    -------
    Task
        Its description names the rule of each data set.

    Raises
    ------
    ProtocolError
        If there are fewer than two data sets, one has no such task, or their kinds, classes or sources
        differ.

    Examples
    --------
    >>> common_task(["dreamer", "deap"], "valence").classes
    ('low', 'high')
    """
    if isinstance(datasets, str) or len(datasets) < 2:
        raise ProtocolError(f"common_task needs a list of at least two data sets, got {datasets!r}.")
    known = [_dataset(one) for one in datasets]
    tasks = {}
    for dataset in known:
        if name not in dataset.tasks:
            raise ProtocolError(
                f"{dataset.title} has no task {name!r}: it has {', '.join(dataset.tasks)}. Choose one that "
                "all data sets have."
            )
        tasks[dataset.name] = dataset.tasks[name]
    first = next(iter(tasks.values()))
    for which, task in tasks.items():
        for about in ("kind", "classes", "source"):
            own: Any = getattr(task, about)
            if own != getattr(first, about):
                raise ProtocolError(
                    f"The task {name} of {which} has the {about} {_said(own)}, that of {known[0].name} "
                    f"{_said(getattr(first, about))}: they are not the same task. Choose another, or make "
                    "a Task."
                )
    thresholds = {task.threshold for task in tasks.values()}
    return Task(
        name=name,
        description=" ".join(f"{which}: {task.description}" for which, task in tasks.items()),
        kind=first.kind,
        classes=first.classes,
        target=_ByDataset(tasks),
        source=first.source,
        threshold=thresholds.pop() if len(thresholds) == 1 else None,
        uses_own_ratings=any(task.uses_own_ratings for task in tasks.values()),
    )


def _dataset(dataset: str | DataSet) -> DataSet:
    if isinstance(dataset, DataSet):
        return dataset
    if dataset not in DATASETS:
        raise ProtocolError(f"There is no data set {dataset!r}: use one of {', '.join(DATASETS)}.")
    return DATASETS[dataset]


def _said(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
