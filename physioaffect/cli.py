"""The command line: data sets, simulate, download, check, evaluate, report."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Iterator, Mapping
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
    from physioaffect.datasets import CheckResult
    from physioaffect.evaluation import Result
    from physioaffect.faces import FaceSet
    from physioaffect.recording import DataSet

# The rooms are imported inside the commands, so that --help does not wait for scikit-learn and mne.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Emotion measured in the body, evaluated without leakage.",
)
_out = Console()
_err = Console(stderr=True)


def _text(text: str, style: str = "") -> Text:
    """Text that may come from a file: what a terminal would obey or cannot show is escaped."""
    shown = (c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    return Text("".join(shown), style=style)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn an error that the user can mend into a paragraph and exit code 2."""
    try:
        yield
    except PhysioaffectError as error:
        _err.print(_text("Error: ", style="bold red"), _text(str(error)), sep="", soft_wrap=True)
        raise typer.Exit(2) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _err.print(_text("Error: ", style="bold red"), _text(f"{where}{error.strerror or error}."), sep="")
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
    name: Annotated[str | None, typer.Argument(help="Tell all about this one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """List the data sets, or tell about one: its tasks, what is expected on disk and how to get it."""
    from physioaffect.datasets import DATASETS, FACE_SETS, FAMILIES_OF_DATASETS, get_any  # noqa: PLC0415

    families = {key: inspect.cleandoc(make.__doc__ or "") for key, make in FAMILIES_OF_DATASETS.items()}
    if as_json:
        described = {key: _describe(known) for key, known in (DATASETS | FACE_SETS).items()}
        described |= {
            key: {"kind": "family", "title": text.partition("\n")[0]} for key, text in families.items()
        }
        _out.print_json(data=described)
        return
    if name is not None:
        with _plain_errors():
            if name in families:
                paragraphs = families[name].partition("\n\nParameters")[0].split("\n\n")
                _out.print(_text("\n\n".join(" ".join(text.split()) for text in paragraphs)))
            else:
                _print_all_about(get_any(name))
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
    _out.print(table)
    _out.print(_text("physioaffect datasets NAME tells tasks, layout and how to get it."))


def _print_all_about(known: DataSet | FaceSet) -> None:
    from physioaffect.recording import DataSet  # noqa: PLC0415

    _out.print(_text(known.name, style="bold"), _text(f"  {known.title}", style="dim"))
    if isinstance(known, DataSet):
        rates = ", ".join(f"{name} {rate:g} Hz" for name, rate in known.sfreqs.items())
        lines = [f"{known.n_subjects} people; {rates}"]
        lines += [f"task {task.name}: {task.description}" for task in known.tasks.values()]
    else:
        splits = ", ".join(f"{name or 'all'} {n}" for name, n in known.splits.items())
        lines = [f"faces; {splits}", f"classes: {', '.join(known.classes)}"]
    for line in (*lines, f"on disk: {known.layout}", f"get it: {known.how_to_get}", known.licence):
        _out.print(_text(f"  {line}"))


def _describe(known: DataSet | FaceSet) -> dict[str, Any]:
    from physioaffect.recording import DataSet  # noqa: PLC0415

    if isinstance(known, DataSet):
        own: dict[str, Any] = {
            "kind": "trials",
            "sfreqs": dict(known.sfreqs),
            "tasks": {task.name: task.description for task in known.tasks.values()},
            "can_download": known.download is not None,
        }
    else:
        own = {"kind": "faces", "classes": list(known.classes), "splits": dict(known.splits)}
    names = ("title", "doi", "n_subjects", "layout", "how_to_get")
    shared = {name: getattr(known, name) for name in names}
    return shared | own | {"can_simulate": known.simulate is not None}


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
        _out.print(_text(f"{dataset.title} is in {dataset.download(path)}. {dataset.licence}"))


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="A data set that can be simulated, e.g. dreamer.")],
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
) -> None:
    """Write a simulated data set in the exact layout of the original."""
    with _plain_errors():
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
        wanted |= _settings(more or [], accepted)
        wanted = {key: value for key, value in wanted.items() if value is not None}
        if strange := [key for key in wanted if key not in accepted]:
            raise DataError(_refusal(known.title, strange[0], accepted))
        with _err.status(f"Simulating {known.title}"):
            written = known.simulate(path, **wanted)
        _out.print(_text(f"Simulated {known.title} is in {written}."))


_OPTIONS = {"n_subjects": "--subjects", "n_clips": "--clips", "max_seconds": "--seconds"}


def _refusal(title: str, name: str, accepted: Mapping[str, Any]) -> str:
    own = [_OPTIONS.get(key, f"--set {key}=...") for key in accepted if key not in _NOT_SET]
    if "world" in accepted:
        own += ["--affect", "--stimulus", "--drift", "--subject", "--trial", "--seed"]
    said = _OPTIONS.get(name, f"--{name}" if name in ("affect", "drift", "seed") else name)
    return f"The simulator of {title} does not take {said}: it takes {', '.join(own)}."


_NOT_SET = ("root", "world", "return")


def _settings(texts: list[str], accepted: Mapping[str, Any]) -> dict[str, Any]:
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


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="Name of the data set; see the command datasets.")],
    path: Annotated[Path, typer.Argument(help="Where it lies, as distributed.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Read all of a data set and say what is as it should be and what deviates.

    Exit code 0 if all is good, 1 if something deviates, 2 if it cannot be read at all.
    """
    with _plain_errors():
        from physioaffect.datasets import check as run_check  # noqa: PLC0415
        from physioaffect.datasets import get_any  # noqa: PLC0415

        known = get_any(name, path)
        with _bar(not as_json) as tell:
            result = run_check(known, path, progress=lambda _what, done, total: tell("checking", done, total))
    if as_json:
        _out.print_json(result.to_json())
    else:
        _print_check(result)
    raise typer.Exit(0 if result.is_good else 1)


def _print_check(result: CheckResult) -> None:
    table = Table(title=f"{result.title} in {result.root}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for title in ("", "what", "expected", "found"):
        table.add_column(title)
    marks = {True: _text("ok", style="green"), False: _text("!", style="bold red"), None: _text("")}
    for row in result.rows:
        table.add_row(marks[row.is_good], _text(row.what), _text(row.expected), _text(row.found))
    _out.print(table)
    for note in result.notes:
        _out.print(_text(f"Note: {note}", style="dim"), soft_wrap=True)
    for sentence in result.deviations:
        _out.print(_text(f"Deviation: {sentence}", style="yellow"), soft_wrap=True)
    n_broken = len(result.deviations)
    many = f"{n_broken} deviation{'s'[: n_broken > 1]}"
    said = "good, everything is as expected" if result.is_good else f"it deviates, {many} above"
    _out.print(_text(f"Verdict: {said}.", style="bold"))


@contextmanager
def _bar(is_shown: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a progress bar on standard error, one line per stage."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_err, disable=not is_shown) as progress:
        stages: dict[str, Any] = {}

        def tell(what: str, done: int, total: int | None) -> None:
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
            _text(protocol["name"], style="bold"),
            *([""] * len(shown)),
            _text("no claim" if has_no_claim else "", style="bold red"),
        )
        for model in [*run["models"], *run["baselines"]]:
            cells = [scored[protocol["name"], model, level, metric] for level, metric in shown]
            own = [note for note in notes.get((protocol["name"], model), []) if note != "no claim"]
            table.add_row(
                f"  {model} z" if model in protocol["scaled_per_subject"] else f"  {model}",
                *(f"{cell.mean:.2f}±{cell.sd:.2f}" for cell in cells),
                _text("; ".join(own), style="red"),
                style="dim" if model in run["baselines"] else "",
            )
        table.add_section()
    _out.print(table)
    for protocol in run["protocols"]:
        claim = protocol["claim"] or "Supports no claim: it shows what leakage is worth."
        _out.print(Text.assemble((f"{protocol['name']}: ", "bold"), claim))
    if any(protocol["scaled_per_subject"] for protocol in run["protocols"]):
        _out.print(_text("z: features standardised within each person, the test person's windows included."))
    broken = [item for item in run["exclusions"] if not item["expected"]]
    for item in broken:
        where = f"{item['subject']}, trial {item['trial']}" if item["trial"] else item["subject"]
        _out.print(_text(f"Left out: {where}. {item['reason']}", style="yellow"))
    if n_expected := len(run["exclusions"]) - len(broken):
        _out.print(_text(f"{n_expected} expected exclusion{'s'[: n_expected > 1]}: see the report."))


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
        from joblib import cpu_count  # noqa: PLC0415

        from physioaffect.datasets import get  # noqa: PLC0415
        from physioaffect.evaluation import evaluate as run_evaluation  # noqa: PLC0415
        from physioaffect.features import default_recipe  # noqa: PLC0415

        known = get(dataset, path)
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
                n_jobs=jobs or cpu_count(),
                progress=tell,
            )
    page = result.path / "report.html"
    if as_json:
        _out.print_json(data=_as_json(result), allow_nan=False)
        return
    _print_table(result)
    _out.print(_text(f"Report: {page}", style="bold"), soft_wrap=True)


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
    _out.print(_text(f"Report: {page}", style="bold"), soft_wrap=True)


def main() -> None:
    """Run the command line."""
    app()
