"""The commands on data sets as they are distributed: list, download, simulate and check them."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from physioaffect.cli_options import (
    DatasetArgument,
    FolderArgument,
    folder_of,
    known_names,
    refusal,
    settings,
)
from physioaffect.cli_output import (
    ERR,
    OUT,
    bar,
    json_of_dataset,
    plain,
    plain_errors,
    print_check,
    print_dataset,
)

__all__ = ["check", "datasets", "download", "simulate"]


def datasets(
    name: Annotated[
        str | None, typer.Argument(help="Tell all about this one.", autocompletion=known_names)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """List the data sets, or tell about one: its tasks, what is expected on disk and how to get it."""
    from physioaffect.datasets import DATASETS, FACE_SETS, FAMILIES_OF_DATASETS, get_any  # noqa: PLC0415

    families = {key: inspect.cleandoc(make.__doc__ or "") for key, make in FAMILIES_OF_DATASETS.items()}
    if name is not None and name not in families:
        with plain_errors():
            get_any(name)
    if as_json:
        described = {key: json_of_dataset(known) for key, known in (DATASETS | FACE_SETS).items()}
        described |= {
            key: {"kind": "family", "title": text.partition("\n")[0]} for key, text in families.items()
        }
        OUT.print_json(data=described if name is None else {name: described[name]})
        return
    if name in families:
        paragraphs = families[name].partition("\n\nParameters")[0].split("\n\n")
        OUT.print(plain("\n\n".join(" ".join(text.split()) for text in paragraphs)))
        return
    if name is not None:
        print_dataset(get_any(name))
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("name", "what", "people", "signals or classes"):
        table.add_column(column, no_wrap=column == "name")
    for d in DATASETS.values():
        table.add_row(d.name, d.title, str(d.n_subjects), ", ".join(d.sfreqs))
    for f in FACE_SETS.values():
        table.add_row(f.name, f.title, str(f.n_subjects or "unknown"), f"faces: {', '.join(f.classes)}")
    for key, text in families.items():
        table.add_row(key, text.partition(":")[0], "any", "what the folder holds")
    OUT.print(table)
    OUT.print(plain("physioaffect datasets NAME tells tasks, layout and how to get it."))


def download(
    name: DatasetArgument,
    path: Annotated[
        Path | None, typer.Argument(help="Folder to download into. Default: $PHYSIOAFFECT_DATA/NAME.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Download a public data set."""
    with plain_errors():
        from physioaffect.datasets import get  # noqa: PLC0415
        from physioaffect.errors import DataError  # noqa: PLC0415

        dataset = get(name)
        if dataset.download is None:
            raise DataError(f"{dataset.title} cannot be downloaded freely. {dataset.how_to_get}")
        folder = dataset.download(folder_of(name, path))
    if as_json:
        OUT.print_json(data={"dataset": name, "out": str(folder), "licence": dataset.licence})
        return
    OUT.print(plain(f"{dataset.title} is in {folder}. {dataset.licence}"))


def simulate(
    name: DatasetArgument,
    path: Annotated[Path, typer.Argument(help="Folder to write into.")],
    subjects: Annotated[int | None, typer.Option(min=1, help="People. Default: as in the original.")] = None,
    clips: Annotated[int | None, typer.Option(min=1, help="Clips a person. Default: all.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Cut clips and baselines at so many seconds.")
    ] = None,
    affect: Annotated[float | None, typer.Option(min=0, help="Strength of affect. Default: 1.")] = None,
    stimulus: Annotated[
        float | None, typer.Option(min=0, help="Clip-specific response without affect. Default: 0.")
    ] = None,
    drift: Annotated[float | None, typer.Option(min=0, help="Drift with time. Default: 0.")] = None,
    subject: Annotated[
        float | None, typer.Option(min=0, help="Differences between people. Default: 1.")
    ] = None,
    trial: Annotated[
        float | None, typer.Option(min=0, help="Differences between trials. Default: 1.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed. Default: 0.")] = None,
    more: Annotated[
        list[str] | None, typer.Option("--set", help="What else a simulator takes: NAME=VALUE.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Write a simulated data set in the exact layout of the original."""
    with plain_errors():
        from physioaffect.datasets import FAMILIES_OF_DATASETS, World, get_any  # noqa: PLC0415
        from physioaffect.errors import DataError  # noqa: PLC0415

        if name in FAMILIES_OF_DATASETS:
            raise DataError(f"The family {name} has no simulator: simulate one of the data sets.")
        known = get_any(name)
        if known.simulate is None:
            raise DataError(f"{known.title} has no simulator. {known.how_to_get}")
        accepted = typing.get_type_hints(known.simulate)
        wanted: dict[str, Any] = {"n_subjects": subjects, "n_clips": clips, "max_seconds": seconds}
        strengths: dict[str, Any] = {
            "affect": affect,
            "stimulus": stimulus,
            "drift": drift,
            "subject": subject,
            "trial": trial,
            "seed": seed,
        }
        given = {key: value for key, value in strengths.items() if value is not None}
        if given and "world" in accepted:
            wanted["world"] = World(**given)
        elif given:
            wanted |= given
        wanted |= settings(more or [], accepted)
        wanted = {key: value for key, value in wanted.items() if value is not None}
        if strange := [key for key in wanted if key not in accepted]:
            raise DataError(refusal(known.title, strange[0], accepted))
        with ERR.status(f"Simulating {known.title}"):
            written = known.simulate(path, **wanted)
    if as_json:
        OUT.print_json(data={"dataset": name, "out": str(written), "simulated": True})
        return
    OUT.print(plain(f"Simulated {known.title} is in {written}."))


def check(
    name: DatasetArgument,
    path: FolderArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Read all of a data set and say what is as it should be and what deviates.

    Exit code 0 if all is good, 1 if something deviates, 2 if it cannot be read at all.
    """
    with plain_errors():
        from physioaffect.datasets import check as run_check  # noqa: PLC0415
        from physioaffect.datasets import get_any  # noqa: PLC0415

        folder = folder_of(name, path)
        known = get_any(name, folder)
        with bar(not as_json) as tell:
            result = run_check(
                known, folder, progress=lambda _what, done, total: tell("checking", done, total)
            )
    if as_json:
        OUT.print_json(result.to_json())
    else:
        print_check(result)
    raise typer.Exit(0 if result.is_good else 1)
