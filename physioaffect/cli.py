"""The command line: data sets, simulate, download, evaluate, report."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from physioaffect.errors import PhysioaffectError

if TYPE_CHECKING:
    from physioaffect.evaluation import Result

# The rooms are imported inside the commands, so that --help does not wait for scikit-learn and mne.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Emotion measured in the body, evaluated without leakage.",
)
_out = Console()
_err = Console(stderr=True)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn an error that the user can mend into a paragraph and exit code 2."""
    try:
        yield
    except PhysioaffectError as error:
        _err.print(Text("Error: ", style="bold red"), Text(str(error)), sep="", soft_wrap=True)
        raise typer.Exit(2) from None


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _version(is_asked: bool) -> None:
    if is_asked:
        from physioaffect import __version__  # noqa: PLC0415

        _out.print(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def datasets(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """List the data sets: people, signals, tasks and how to get them."""
    from physioaffect.datasets import DATASETS  # noqa: PLC0415

    if as_json:
        _out.print_json(
            data={
                d.name: {
                    "title": d.title,
                    "doi": d.doi,
                    "n_subjects": d.n_subjects,
                    "sfreqs": dict(d.sfreqs),
                    "tasks": {t.name: t.description for t in d.tasks.values()},
                    "layout": d.layout,
                    "how_to_get": d.how_to_get,
                    "can_simulate": d.simulate is not None,
                    "can_download": d.download is not None,
                }
                for d in DATASETS.values()
            }
        )
        return
    for d in DATASETS.values():
        _out.print(Text(d.name, style="bold"), Text(f"  {d.title}", style="dim"))
        rates = ", ".join(f"{name} {rate:g} Hz" for name, rate in d.sfreqs.items())
        _out.print(Text(f"  {d.n_subjects} people; {rates}"))
        for task in d.tasks.values():
            _out.print(Text(f"  task {task.name}: {task.description}"))
        _out.print(Text(f"  on disk: {d.layout}"))
        _out.print(Text(f"  get it: {d.how_to_get}"))
        _out.print()


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="A public data set.")],
    path: Annotated[Path, typer.Argument(help="Folder to download into.")],
) -> None:
    """Download a public data set."""
    with _plain_errors():
        from physioaffect.datasets import get  # noqa: PLC0415
        from physioaffect.errors import DataError  # noqa: PLC0415

        dataset = get(name)
        if dataset.download is None:
            raise DataError(f"{dataset.title} cannot be downloaded freely. {dataset.how_to_get}")
        _out.print(Text(f"{dataset.title} is in {dataset.download(path)}. {dataset.licence}"))


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="A data set that can be simulated, e.g. dreamer.")],
    path: Annotated[Path, typer.Argument(help="Folder to write into.")],
    subjects: Annotated[int | None, typer.Option(min=1, help="People. Default: as in the original.")] = None,
    clips: Annotated[int | None, typer.Option(min=1, help="Clips a person. Default: all.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Cut clips and baselines at so many seconds.")
    ] = None,
    affect: Annotated[float, typer.Option(min=0, help="Strength of the planted affect effect.")] = 1.0,
    stimulus: Annotated[float, typer.Option(min=0, help="Clip-specific response without affect.")] = 0.0,
    drift: Annotated[float, typer.Option(min=0, help="Drift with time in the session.")] = 0.0,
    subject: Annotated[float, typer.Option(min=0, help="Differences between people.")] = 1.0,
    trial: Annotated[float, typer.Option(min=0, help="Differences between trials.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
) -> None:
    """Write a simulated data set in the exact layout of the original."""
    with _plain_errors():
        from physioaffect.datasets import World, get  # noqa: PLC0415
        from physioaffect.errors import DataError  # noqa: PLC0415

        dataset = get(name)
        if dataset.simulate is None:
            raise DataError(f"{dataset.title} has no simulator. {dataset.how_to_get}")
        world = World(affect=affect, stimulus=stimulus, drift=drift, subject=subject, trial=trial, seed=seed)
        wanted = {"n_subjects": subjects, "n_clips": clips, "max_seconds": seconds}
        with _err.status(f"Simulating {dataset.title}"):
            written = dataset.simulate(
                path, world=world, **{key: value for key, value in wanted.items() if value is not None}
            )
        _out.print(Text(f"Simulated {dataset.title} is in {written}."))


@contextmanager
def _bar(is_shown: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Show a progress bar on standard error, one line per stage."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_err, disable=not is_shown) as progress:
        stages: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in stages:
                stages[what] = progress.add_task(what, total=total)
            progress.update(stages[what], completed=done, total=total)

        yield tell


def _print_table(result: Result) -> None:
    from physioaffect.evaluation.report.render import METRIC_TITLES  # noqa: PLC0415

    run, scored, notes = result.run, result.cells(), result.notes()
    first, second = result.metrics[:2]
    shown = [("trial", first), ("trial", second), ("window", first), ("window", second)]
    if "accuracy" in result.metrics and _out.width >= 100:
        shown.append(("window", "accuracy"))
    about = run["table"]
    title = f"{run['dataset']['title'] if run['dataset'] else 'own data'}: {run['task']['name']}"
    table = Table(
        title=title + (" (SIMULATED DATA)" if about["simulated"] else ""),
        caption=f"{about['n_subjects']} people, {about['n_trials']} trials, {about['n_windows']} windows; "
        "mean ± SD over people",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("protocol / model", no_wrap=True)
    for level, metric in shown:
        wrapped = METRIC_TITLES[metric].replace(" ", "\n")
        table.add_column(f"by {level}\n{wrapped}", justify="right", no_wrap=True)
    table.add_column("note")
    for protocol in run["protocols"]:
        has_no_claim = protocol["claim"] is None
        table.add_row(
            Text(protocol["name"], style="bold"),
            *([""] * len(shown)),
            Text("no claim" if has_no_claim else "", style="bold red"),
        )
        for model in [*run["models"], *run["baselines"]]:
            cells = [scored[protocol["name"], model, level, metric] for level, metric in shown]
            own = [note for note in notes.get((protocol["name"], model), []) if note != "no claim"]
            table.add_row(
                f"  {model} z" if model in protocol["scaled_per_subject"] else f"  {model}",
                *(f"{cell.mean:.2f}±{cell.sd:.2f}" for cell in cells),
                Text("; ".join(own), style="red"),
                style="dim" if model in run["baselines"] else "",
            )
        table.add_section()
    _out.print(table)
    for protocol in run["protocols"]:
        claim = protocol["claim"] or "Supports no claim: it shows what leakage is worth."
        _out.print(Text.assemble((f"{protocol['name']}: ", "bold"), claim))
    if any(protocol["scaled_per_subject"] for protocol in run["protocols"]):
        _out.print(Text("z: features standardised within each person, the test person's windows included."))
    broken = [item for item in run["exclusions"] if not item["expected"]]
    for item in broken:
        where = f"{item['subject']}, trial {item['trial']}" if item["trial"] else item["subject"]
        _out.print(Text(f"Left out: {where}. {item['reason']}", style="yellow"))
    if n_expected := len(run["exclusions"]) - len(broken):
        _out.print(Text(f"{n_expected} expected exclusion{'s'[: n_expected > 1]}: see the report."))


def _as_json(result: Result) -> dict[str, Any]:
    rows = [
        dict(zip(("protocol", "model", "level", "metric"), key, strict=True))
        | {name: None if math.isnan(value) else value for name, value in cell._asdict().items()}
        for key, cell in result.cells().items()
    ]
    notes = [
        {"protocol": protocol, "model": model, "notes": found}
        for (protocol, model), found in result.notes().items()
    ]
    return {"run": result.run, "scores": rows, "notes": notes, "out": str(result.path)}


@app.command()
def evaluate(
    dataset: Annotated[str, typer.Argument(help="Name of the data set; see the command datasets.")],
    path: Annotated[Path, typer.Argument(help="Where it lies, as distributed.")],
    model: Annotated[
        str, typer.Option(help="Models, separated by commas: lda, logistic, svm, random_forest, ...")
    ] = "logistic",
    protocol: Annotated[
        str, typer.Option(help="Protocols: loso, loso_transductive, within_subject_trial, window_random.")
    ] = "loso",
    task: Annotated[str | None, typer.Option(help="What to predict. Default: the data set's first.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the result. Default: results/DATASET-TASK.")
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Families of features: de, eda, hr, temperature, motion.")
    ] = None,
    window: Annotated[float | None, typer.Option(min=0.1, help="Window length in seconds.")] = None,
    step: Annotated[float | None, typer.Option(min=0.1, help="Seconds between windows.")] = None,
    subjects: Annotated[str | None, typer.Option(help="Only these people, separated by commas.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes. Default: all cores.")] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first broken subject or fold.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Evaluate models under protocols: a table here, an HTML report in the result's folder.

    Given again after an interruption, the same command continues where it stopped.
    """
    with _plain_errors():
        from physioaffect.datasets import get  # noqa: PLC0415
        from physioaffect.evaluation import evaluate as run_evaluation  # noqa: PLC0415
        from physioaffect.evaluation.report import write_report  # noqa: PLC0415
        from physioaffect.features import default_recipe  # noqa: PLC0415

        known = get(dataset)
        families = _names(features) if features is not None else None
        recipe = default_recipe(known, families=families, window=window, step=step)
        folder = out or Path("results") / f"{known.name}-{task or next(iter(known.tasks))}"
        with _bar(not as_json) as tell:
            result = run_evaluation(
                known,
                path,
                models=_names(model),
                protocols=_names(protocol),
                task=task,
                out=folder,
                recipe=recipe,
                subjects=_names(subjects) if subjects is not None else None,
                seed=seed,
                strict=strict,
                n_jobs=jobs or os.cpu_count() or 1,
                progress=tell,
            )
        page = write_report(result)
    if as_json:
        _out.print_json(data=_as_json(result), allow_nan=False)
        return
    _print_table(result)
    _out.print(Text(f"Report: {page}", style="bold"), soft_wrap=True)


@app.command()
def report(
    path: Annotated[Path, typer.Argument(help="Folder of a finished evaluate.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Print the table of a finished run and write its HTML report anew."""
    with _plain_errors():
        from physioaffect.evaluation import Result as Finished  # noqa: PLC0415
        from physioaffect.evaluation.report import write_report  # noqa: PLC0415

        result = Finished.load(path)
        page = write_report(result)
    if as_json:
        _out.print_json(data=_as_json(result), allow_nan=False)
        return
    _print_table(result)
    _out.print(Text(f"Report: {page}", style="bold"), soft_wrap=True)


def main() -> None:
    """Run the command line."""
    app()
