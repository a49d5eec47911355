"""From a data set of EEG to prototypes: maps of the head, a teacher, people it did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from sklearn.base import clone

from physioaffect.data_set import DataSet
from physioaffect.distill.held_out import held_out_embeddings
from physioaffect.distill.map_input import scaled_ratings
from physioaffect.distill.prototypes import Prototypes, valence_arousal_prototypes
from physioaffect.distill.teacher import MapTeacher
from physioaffect.errors import DataError
from physioaffect.evaluation.scoring.metrics import ccc
from physioaffect.features import Recipe, open_features, save_features
from physioaffect.features.defaults import default_recipe
from physioaffect.progress import Progress

__all__ = ["EEGPrototypes", "eeg_prototypes", "map_recipe"]


@dataclass(frozen=True, kw_only=True, eq=False)
class EEGPrototypes:
    """Prototypes, and how well the teacher read the people they are of.

    Parameters
    ----------
    prototypes : Prototypes
        Of the held-out people.
    ccc : tuple of float
        Concordance of predicted and rated valence, and arousal, over the windows of the held-out people.
    n_people, n_held_out, n_windows : int
        People in all, people held out, and their windows.
    is_simulated : bool
        Whether the recordings are made up.
    """

    prototypes: Prototypes
    ccc: tuple[float, float]
    n_people: int
    n_held_out: int
    n_windows: int
    is_simulated: bool

    def sentence(self) -> str:
        """Say it in words."""
        return (
            f"Prototypes of {self.n_windows} windows of {self.n_held_out} of {self.n_people} people whom the "
            "teacher was not trained on (their loss stopped its training). Of their ratings it knows by "
            f"concordance {self.ccc[0]:.2f} for valence and {self.ccc[1]:.2f} for arousal. "
            f"{self.prototypes.n_empty} of {self.prototypes.k**2} cells had no window and are copies. "
            f"Mean cosine of two different cells: {_mean_similarity(self.prototypes):.2f}."
        )


def _mean_similarity(prototypes: Prototypes) -> float:
    filled = np.flatnonzero(~prototypes.is_empty)
    pairs = np.triu_indices(len(filled), 1)
    values = prototypes.similarity[np.ix_(filled, filled)][pairs]
    return float(values.mean()) if len(values) else float("nan")


def map_recipe(dataset: DataSet, *, window: float | None = None) -> Recipe:
    """Maps of the bands' differential entropy less that of the rest before the trial.

    The rest takes away most of what is a person's own; where a data set has none, maps are as they are.

    Parameters
    ----------
    dataset : DataSet
        With EEG and ratings of valence and arousal.
    window : float, optional
        Length and step in seconds. Default: the data set's own.
    """
    return default_recipe(dataset, families=["topomap"], window=window, baseline="subtract")


def eeg_prototypes(  # noqa: PLR0913  All that it depends on, by name.
    dataset: DataSet,
    root: Path | str,
    *,
    out: Path,
    k: int = 5,
    window: float | None = None,
    teacher: MapTeacher | None = None,
    subjects: Sequence[str] | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    progress: Progress | None = None,
) -> EEGPrototypes:
    """Make prototypes of valence and arousal from a data set of EEG.

    Parameters
    ----------
    dataset : DataSet
        One with EEG and ratings of valence and arousal, such as ``DREAMER``.
    root : path
        Where it lies.
    out : Path
        Folder in which features are kept.
    k : int
        Cells along each axis of the grid.
    window : float, optional
        Seconds.
    teacher : MapTeacher, optional
        Settings of the teacher.
    subjects : sequence of str, optional
        Only these people.
    seed : int
        Of the people held out, and of the teacher.
    n_jobs : int
        People read at a time.
    device : {"auto", "cpu", "cuda"}
        Where the teacher is trained.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    EEGPrototypes

    Raises
    ------
    DataError
        If the data set has no EEG or no ratings of valence and arousal, or no window can be used.
    ProtocolError
        If there are fewer than two people.
    """
    if missing := [name for name in ("valence", "arousal") if name not in dataset.ratings]:
        raise DataError(
            f"{dataset.title} has no ratings of {' and '.join(missing)}: prototypes need both. Use one "
            "such as DREAMER, DEAP or MAHNOB-HCI."
        )
    recipe = map_recipe(dataset, window=window)
    path = out / f"maps-{recipe.key(dataset, '')[:12]}.zarr"
    save_features(dataset, root, recipe, path, subjects=subjects, n_jobs=n_jobs, progress=progress)
    table = open_features(path).load()
    maps, ratings, people, is_simulated = _labelled(table, dataset)
    settings = clone(teacher if teacher is not None else MapTeacher()).set_params(device=device)
    held_out = held_out_embeddings(maps, ratings, people, teacher=settings, seed=seed, progress=progress)
    prototypes = valence_arousal_prototypes(
        held_out.embeddings,
        held_out.valence,
        held_out.arousal,
        k=k,
        people=held_out.people,
        origin={
            "dataset": dataset.name,
            "simulated": is_simulated,
            "people": sorted(set(held_out.people.tolist())),
            "teacher": "MapTeacher",
            "seed": seed,
            "window": recipe.windows.duration,
        },
    )
    of_valence = float(ccc(held_out.valence, held_out.predicted[:, 0]))
    of_arousal = float(ccc(held_out.arousal, held_out.predicted[:, 1]))
    return EEGPrototypes(
        prototypes=prototypes,
        ccc=(of_valence, of_arousal),
        n_people=len(np.unique(people)),
        n_held_out=len(np.unique(held_out.people)),
        n_windows=len(held_out.rows),
        is_simulated=is_simulated,
    )


def _labelled(table: xr.Dataset, dataset: DataSet) -> tuple[Any, Any, Any, bool]:
    """Maps, ratings (n, 2) and people of the windows that have both ratings and a map."""
    ratings = np.stack([table[name].to_numpy() for name in ("valence", "arousal")], axis=1).astype(float)
    maps = table["topomap"]
    has_map = maps.notnull().any([dim for dim in maps.dims if dim != "window"]).to_numpy()
    rows = np.flatnonzero(np.isfinite(ratings).all(axis=1) & has_map)
    if not len(rows):
        raise DataError(f"No window of {dataset.title} has a map and ratings of valence and arousal.")
    scaled = np.stack(
        [
            scaled_ratings(ratings[rows, place], lowest=low, highest=high)
            for place, (low, high) in enumerate(dataset.ratings[name] for name in ("valence", "arousal"))
        ],
        axis=1,
    )
    is_simulated = bool(np.char.find(table["tags"].to_numpy().astype(str), "simulated").max(initial=-1) >= 0)
    return maps.isel(window=rows), scaled, table["subject"].to_numpy()[rows].astype(str), is_simulated
