"""The command line: data sets and features, evaluate and report; other rooms have files of their own."""

from __future__ import annotations

import inspect
import itertools
import typing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich import box
from rich.table import Table

from physioaffect.cli_audit import audit
from physioaffect.cli_eda import eda
from physioaffect.cli_networks import predict, train
from physioaffect.cli_options import (
    BaselineOption,
    CleanOption,
    ClusterOption,
    FeaturesOption,
    JobsOption,
    SmoothOption,
    StepOption,
    SubjectsOption,
    WindowOption,
    names,
    recipe_of,
    refusal,
    settings,
)
from physioaffect.cli_output import (
    ERR,
    OUT,
    bar,
    describe,
    json_of,
    plain,
    plain_errors,
    print_all_about,
    print_check,
    print_left_out,
    print_table,
)
from physioaffect.cli_quality import quality_page
from physioaffect.cli_reproduce import reproduce
from physioaffect.cli_sweeps import compare, run

if TYPE_CHECKING:
    from physioaffect.evaluation.running.permuting import Refit
    from physioaffect.evaluation.table import Missing

# The rooms are imported inside the commands, so that --help does not wait for scikit-learn and mne.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Emotion measured in the body, evaluated without leakage.",
)


def _version(is_asked: bool) -> None:
    if is_asked:
        from physioaffect import __version__  # noqa: PLC0415

        OUT.print(__version__)
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
        described = {key: describe(known) for key, known in (DATASETS | FACE_SETS).items()}
        described |= {
            key: {"kind": "family", "title": text.partition("\n")[0]} for key, text in families.items()
        }
        OUT.print_json(data=described)
        return
    if name is not None:
        with plain_errors():
            if name in families:
                paragraphs = families[name].partition("\n\nParameters")[0].split("\n\n")
                OUT.print(plain("\n\n".join(" ".join(text.split()) for text in paragraphs)))
            else:
                print_all_about(get_any(name))
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


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="A public data set.")],
    path: Annotated[Path, typer.Argument(help="Folder to download into.")],
) -> None:
    """Download a public data set."""
    with plain_errors():
        from physioaffect.datasets import get  # noqa: PLC0415
        from physioaffect.errors import DataError  # noqa: PLC0415

        dataset = get(name)
        if dataset.download is None:
            raise DataError(f"{dataset.title} cannot be downloaded freely. {dataset.how_to_get}")
        OUT.print(plain(f"{dataset.title} is in {dataset.download(path)}. {dataset.licence}"))


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
        OUT.print(plain(f"Simulated {known.title} is in {written}."))


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="Name of the data set; see the command datasets.")],
    path: Annotated[Path, typer.Argument(help="Where it lies, as distributed.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Read all of a data set and say what is as it should be and what deviates.

    Exit code 0 if all is good, 1 if something deviates, 2 if it cannot be read at all.
    """
    with plain_errors():
        from physioaffect.datasets import check as run_check  # noqa: PLC0415
        from physioaffect.datasets import get_any  # noqa: PLC0415

        known = get_any(name, path)
        with bar(not as_json) as tell:
            result = run_check(known, path, progress=lambda _what, done, total: tell("checking", done, total))
    if as_json:
        OUT.print_json(result.to_json())
    else:
        print_check(result)
    raise typer.Exit(0 if result.is_good else 1)


@app.command()
def features(  # An option is a parameter.
    name: Annotated[str, typer.Argument(help="Name of the data set; see the command datasets.")],
    path: Annotated[Path, typer.Argument(help="Where it lies, as distributed.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the store, e.g. deap.zarr.")],
    families: FeaturesOption = None,
    window: WindowOption = None,
    step: StepOption = None,
    clean: CleanOption = False,
    baseline: BaselineOption = None,
    smooth: SmoothOption = None,
    subjects: SubjectsOption = None,
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    report: Annotated[
        bool, typer.Option("--report", help="Write an HTML page on quality beside the store.")
    ] = False,
    csv_map: Annotated[
        Path | None, typer.Option("--map", help="What text tables hold (TOML); for wearable.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first broken subject.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Make a data set's features and keep them as Zarr; given again, it makes only what is missing."""
    with plain_errors():
        from joblib import cpu_count, parallel_config  # noqa: PLC0415

        from physioaffect.datasets import get, wearable  # noqa: PLC0415
        from physioaffect.errors import DataError  # noqa: PLC0415
        from physioaffect.features import open_features, read_exclusions, save_features  # noqa: PLC0415
        from physioaffect.parallel import open_cluster  # noqa: PLC0415

        if csv_map is not None and name != "wearable":
            raise DataError(f"--map is for wearable, not for {name}.")
        known = get(name, path) if csv_map is None else wearable(path, csv_map=csv_map)
        recipe = recipe_of(
            known, features=families, window=window, step=step, clean=clean, baseline=baseline, smooth=smooth
        )
        done = itertools.count(1)
        # Reading and the compiled families let go of the interpreter, and threads start at once; fits in
        # plain Python do not.
        backend = "loky" if "aperiodic" in recipe.to_json() else "threading"
        n_jobs = jobs or cpu_count()
        with (
            bar(not as_json) as tell,
            parallel_config(backend=backend),
            open_cluster(cluster, n_workers=n_jobs) as client,
        ):
            save_features(
                known,
                path,
                recipe,
                out,
                subjects=names(subjects) if subjects is not None else None,
                strict=strict,
                n_jobs=n_jobs,
                client=client,
                progress=lambda _who, total: tell("features", next(done), total),
            )
            page = None
            if report:
                drawn = itertools.count(1)
                page = quality_page(
                    known,
                    path,
                    recipe,
                    out,
                    subjects=names(subjects) if subjects is not None else None,
                    csv_map=csv_map,
                    n_jobs=n_jobs,
                    client=client,
                    progress=lambda _who, total: tell("report", next(drawn), total),
                )
        table, left_out = open_features(out), read_exclusions(out)
        shapes = {
            str(key): dict(zip(map(str, values.dims), values.shape, strict=True))
            for key, values in table.data_vars.items()
        }
        n_people = len(set(table["subject"].values.tolist()))
    if as_json:
        about: dict[str, Any] = {"out": str(out), "n_subjects": n_people, "features": shapes} | dict(
            table.attrs
        )
        OUT.print_json(data=about | {"exclusions": [asdict(item) for item in left_out]})
        return
    if known.name == "wearable":
        OUT.print(plain(known.layout), soft_wrap=True)
    print_left_out(left_out)
    for key, shape in shapes.items():
        OUT.print(plain(f"{key}: {' x '.join(f'{size} {dim}' for dim, size in shape.items())}"))
    OUT.print(
        plain(f"{n_people} {'person' if n_people == 1 else 'people'}: {out}", style="bold"), soft_wrap=True
    )
    if page is not None:
        OUT.print(plain(f"Quality of every session: {page}", style="bold"), soft_wrap=True)


@app.command()
def evaluate(
    dataset: Annotated[str, typer.Argument(help="Name of the data set; see the command datasets.")],
    path: Annotated[Path, typer.Argument(help="Where it lies, as distributed.")],
    model: Annotated[
        str,
        typer.Option(
            help="Models, separated by commas: lda, logistic, svm, random_forest, gradient_boosting, knn, "
            "ridge, riemann (of covariance); networks: dgcnn, eegnet, gcbnet, histn, lggnet, linear, mlp, "
            "rbtransformer, rgnn, tsception; before one, what is wrapped around it: coral+lda, ea+riemann."
        ),
    ] = "logistic",
    protocol: Annotated[
        str,
        typer.Option(
            help="Protocols, separated by commas: loso, loso_10fold, loso_stimulus, within_subject_trial, "
            "front_back, cross_session, cross_stimulus, window_random, trial_chunk, calibrated_trials[_N], "
            "calibrated_rest[_Ns], calibrated_same_trial[_Ns]; _transductive after any."
        ),
    ] = "loso",
    task: Annotated[str | None, typer.Option(help="What to predict. Default: the data set's first.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the result. Default: results/DATASET-TASK.")
    ] = None,
    features: FeaturesOption = None,
    window: WindowOption = None,
    step: StepOption = None,
    clean: CleanOption = False,
    baseline: BaselineOption = None,
    smooth: SmoothOption = None,
    subjects: SubjectsOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    permutations: Annotated[
        int, typer.Option(min=0, help="Permutations of the labels that give chance and p; 0: none.")
    ] = 1000,
    refit: Annotated[
        str,
        typer.Option(
            help="Models that are fitted anew to each of them: linear (lda, ridge: seconds), all, none. Of "
            "others predictions are held fixed."
        ),
    ] = "linear",
    missing: Annotated[
        str,
        typer.Option(
            help="Windows that lack a feature: leave_out, or keep, for forests, gradient_boosting and "
            "imputed+MODEL."
        ),
    ] = "leave_out",
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first broken subject or fold.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Evaluate models under protocols: a table here, an HTML report in the result's folder.

    Given again after an interruption, the same command continues where it stopped.
    """
    with plain_errors():
        from joblib import cpu_count  # noqa: PLC0415

        from physioaffect.datasets import get  # noqa: PLC0415
        from physioaffect.evaluation import evaluate as run_evaluation  # noqa: PLC0415

        known = get(dataset, path)
        recipe = recipe_of(
            known, features=features, window=window, step=step, clean=clean, baseline=baseline, smooth=smooth
        )
        folder = out or Path("results") / f"{known.name}-{task or next(iter(known.tasks), 'unlabelled')}"
        with bar(not as_json) as tell:
            result = run_evaluation(
                known,
                path,
                models=names(model),
                protocols=names(protocol),
                task=task,
                out=folder,
                recipe=recipe,
                subjects=names(subjects) if subjects is not None else None,
                seed=seed,
                permutations=permutations,
                refit=cast("Refit", refit),  # It is looked at there, as missing is.
                missing=cast("Missing", missing),
                strict=strict,
                n_jobs=jobs or cpu_count(),
                cluster=cluster,
                progress=tell,
            )
    page = result.path / "report.html"
    if as_json:
        OUT.print_json(data=json_of(result), allow_nan=False)
        return
    print_table(result)
    OUT.print(plain(f"Report: {page}", style="bold"), soft_wrap=True)


@app.command()
def report(
    path: Annotated[Path, typer.Argument(help="Folder of a finished evaluate.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Print the table of a finished run and write its HTML report anew."""
    with plain_errors():
        from physioaffect.evaluation import Result as Finished  # noqa: PLC0415
        from physioaffect.evaluation.report import write_report  # noqa: PLC0415

        result = Finished.load(path)
        page = write_report(result)
    if as_json:
        OUT.print_json(data=json_of(result), allow_nan=False)
        return
    print_table(result)
    OUT.print(plain(f"Report: {page}", style="bold"), soft_wrap=True)


for command in (eda, train, predict, run, compare, audit, reproduce):
    app.command()(command)


def main() -> None:
    """Run the command line."""
    app()
