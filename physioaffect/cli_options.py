"""What the command line makes of options: names, settings, recipes."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from physioaffect.data_set import DataSet
    from physioaffect.features import Recipe

__all__ = [
    "BaselineOption",
    "CleanOption",
    "ClusterOption",
    "DatasetArgument",
    "FeaturesOption",
    "FolderArgument",
    "JobsOption",
    "SmoothOption",
    "StepOption",
    "SubjectsOption",
    "WindowOption",
    "folder_of",
    "known_names",
    "names",
    "names_or_all",
    "recipe_of",
    "refusal",
    "settings",
]


def known_names(incomplete: str) -> list[str]:
    """Complete the name of a data set."""
    from physioaffect.datasets import DATASETS, FACE_SETS, FAMILIES_OF_DATASETS  # noqa: PLC0415

    return sorted(
        name for name in (*DATASETS, *FACE_SETS, *FAMILIES_OF_DATASETS) if name.startswith(incomplete)
    )


def folder_of(name: str, path: Path | None) -> Path:
    """Give the folder that was named, or the data set's in ``$PHYSIOAFFECT_DATA``; an unknown name first."""
    from physioaffect.data_folder import data_folder  # noqa: PLC0415
    from physioaffect.datasets import FAMILIES_OF_DATASETS, get_any  # noqa: PLC0415

    if path is None and name not in FAMILIES_OF_DATASETS:
        get_any(name)
    return data_folder(name, path)


DatasetArgument = Annotated[
    str,
    typer.Argument(help="Name of the data set; see the command datasets.", autocompletion=known_names),
]
FolderArgument = Annotated[
    Path | None,
    typer.Argument(help="Where it lies, as distributed. Default: its name in the folder $PHYSIOAFFECT_DATA."),
]
FeaturesOption = Annotated[
    str | None,
    typer.Option(
        "--features",
        help="Families of features: de, dasm, rasm, asm, dcau, faa, topomap, band_power, spectral_entropy, "
        "aperiodic, hjorth, line_length, fractal_dimension, connectivity, covariance, eda, hr, temperature, "
        "motion, rotation, hrv, respiration, emg, eda_heart, resp_heart.",
    ),
]
WindowOption = Annotated[float | None, typer.Option(min=0.1, help="Window length in seconds.")]
StepOption = Annotated[float | None, typer.Option(min=0.1, help="Seconds between windows.")]
CleanOption = Annotated[
    bool,
    typer.Option(
        "--clean",
        help="Clean the EEG first, with the usual settings; without EEG, mark what is not to be trusted.",
    ),
]
BaselineOption = Annotated[
    str | None, typer.Option(help="Features relative to the rest before each trial: subtract, ratio or z.")
]
SmoothOption = Annotated[
    str | None,
    typer.Option(help="Smooth features within each trial: lds, lds_causal, mean:5, mean_causal:5 (windows)."),
]
SubjectsOption = Annotated[str | None, typer.Option(help="Only these people, separated by commas.")]
JobsOption = Annotated[
    int | None,
    typer.Option(min=1, help="People (of wearables: recordings) at a time. Default: as many as cores."),
]

ClusterOption = Annotated[
    str | None,
    typer.Option(help="A Dask cluster that works instead: tcp://HOST:PORT, or slurm (--jobs says how many)."),
]


def names(text: str) -> list[str]:
    """Take names apart at their commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def names_or_all(text: str | None) -> list[str] | None:
    """Take names apart, None where the option was not given: all of them."""
    if text is None:
        return None
    if not (found := names(text)):
        from physioaffect.errors import DataError  # noqa: PLC0415

        raise DataError(f"{text!r} names nothing: give names, separated by commas, or leave it out for all.")
    return found


_OPTIONS = {"n_subjects": "--subjects", "n_clips": "--clips", "max_seconds": "--seconds"}


def refusal(title: str, name: str, accepted: Mapping[str, Any]) -> str:
    """Say what a simulator takes instead of the option that it does not."""
    own = [_OPTIONS.get(key, f"--set {key}=...") for key in accepted if key not in _NOT_SET]
    if "world" in accepted:
        own += ["--affect", "--stimulus", "--drift", "--subject", "--trial", "--seed"]
    said = _OPTIONS.get(name, f"--{name}" if name in ("affect", "drift", "seed") else name)
    return f"The simulator of {title} does not take {said}: it takes {', '.join(own)}."


_NOT_SET = ("root", "world", "return")


def settings(texts: list[str], accepted: Mapping[str, Any]) -> dict[str, Any]:
    """Read NAME=VALUE, each value of the type that the simulator's parameter has."""
    from physioaffect.errors import DataError  # noqa: PLC0415

    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name in _NOT_SET:
            raise DataError(f"--set takes NAME=VALUE, such as n_subjects=3, got {text!r}.")
        hint = accepted.get(name, str)
        kinds = [kind for kind in (int, float, str) if kind in (hint, *typing.get_args(hint))]
        choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
        if bool in (hint, *typing.get_args(hint)):
            choices, kinds = ("true", "false"), []
        if choices and value not in choices:
            raise DataError(f"--set {name} takes one of {', '.join(map(str, choices))}, got {value!r}.")
        if not choices and not kinds:
            raise DataError(f"{name} cannot be set on the command line: simulate from Python.")
        try:
            settings[name] = (
                (value == "true" if choices == ("true", "false") else value) if choices else kinds[0](value)
            )
        except ValueError:
            raise DataError(f"--set {name} takes a number, got {value!r}.") from None
    return settings


def recipe_of(
    dataset: DataSet,
    *,
    features: str | None,
    window: float | None,
    step: float | None,
    clean: bool,
    baseline: str | None,
    smooth: str | None,
) -> Recipe:
    """Make the recipe that the options ask for."""
    from physioaffect.features.defaults import default_recipe, usual_cleaning  # noqa: PLC0415
    from physioaffect.features.smoothing import smoothing_by_name  # noqa: PLC0415

    return default_recipe(
        dataset,
        families=names_or_all(features),
        window=window,
        step=step,
        cleaning=usual_cleaning(dataset) if clean else None,
        baseline=typing.cast(Any, baseline),  # Recipe refuses what it does not know.
        smoothing=() if smooth is None else (smoothing_by_name(smooth),),
    )
