"""The command line: features, evaluate and report; the other commands have files of their own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from physioaffect.cli_audit import audit
from physioaffect.cli_datasets import check, datasets, download, simulate
from physioaffect.cli_distill import distill
from physioaffect.cli_eda import eda
from physioaffect.cli_networks import predict, train
from physioaffect.cli_options import (
    BaselineOption,
    CleanOption,
    ClusterOption,
    DatasetArgument,
    FeaturesOption,
    FolderArgument,
    JobsOption,
    SmoothOption,
    StepOption,
    SubjectsOption,
    WindowOption,
    folder_of,
    names,
    names_or_all,
    recipe_of,
)
from physioaffect.cli_output import (
    OUT,
    bar,
    plain,
    plain_errors,
    print_left_out,
    print_result,
    told_below,
)
from physioaffect.cli_quality import quality_page
from physioaffect.cli_reproduce import reproduce
from physioaffect.cli_sweeps import compare, run

if TYPE_CHECKING:
    from physioaffect.evaluation.running.permuting import Refit
    from physioaffect.evaluation.table import Missing

# The rooms are imported inside the commands, so that --help does not wait for scikit-learn and mne.
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Emotion measured in the body, evaluated without leakage.",
    epilog="Exit codes: 0 done, and nothing is wrong; 1 done, and something is wrong (check: a deviation; "
    "audit: a leak or a warning; run: a run failed), or the program itself failed, with a traceback; 2 "
    "refused: the command, the data or the protocol cannot be used as given, and standard error says "
    "why; 130 interrupted. With --json, standard output is one JSON document. Where the environment variable "
    "PHYSIOAFFECT_DATA names a folder with data sets under their names, theirs may be left out.",
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


for about_data in (datasets, download, simulate, check):
    app.command()(about_data)


@app.command()
def features(
    name: DatasetArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the store, e.g. deap.zarr.")],
    path: FolderArgument = None,
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
        folder = folder_of(name, path)
        known = get(name, folder) if csv_map is None else wearable(folder, csv_map=csv_map)
        recipe = recipe_of(
            known, features=families, window=window, step=step, clean=clean, baseline=baseline, smooth=smooth
        )
        # Reading and the compiled families let go of the interpreter, and threads start at once; fits in
        # plain Python do not.
        is_python = any(family.name == "aperiodic" for family in recipe.features)
        n_jobs = jobs or cpu_count()
        with (
            bar(not as_json) as tell,
            parallel_config(backend="loky" if is_python else "threading"),
            open_cluster(cluster, n_workers=n_jobs) as client,
        ):
            save_features(
                known,
                folder,
                recipe,
                out,
                subjects=names_or_all(subjects),
                strict=strict,
                n_jobs=n_jobs,
                client=client,
                progress=tell,
            )
            page = None
            if report:
                page = quality_page(
                    known,
                    folder,
                    recipe,
                    out,
                    clean=clean,
                    baseline=baseline,
                    smooth=smooth,
                    subjects=names_or_all(subjects),
                    csv_map=csv_map,
                    n_jobs=n_jobs,
                    client=client,
                    progress=tell,
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
    dataset: DatasetArgument,
    path: FolderArgument = None,
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
            "front_back, trial_blocks, cross_session, cross_stimulus, window_random, trial_chunk, "
            "calibrated_trials[_N], calibrated_rest[_Ns], calibrated_same_trial[_Ns], "
            "calibrated_same_rest[_Ns]; _transductive after any."
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

        root = folder_of(dataset, path)
        known = get(dataset, root)
        recipe = recipe_of(
            known, features=features, window=window, step=step, clean=clean, baseline=baseline, smooth=smooth
        )
        folder = out or Path("results") / f"{known.name}-{task or next(iter(known.tasks), 'unlabelled')}"
        with bar(not as_json) as tell, told_below(not as_json):
            result = run_evaluation(
                known,
                root,
                models=names(model),
                protocols=names(protocol),
                task=task,
                out=folder,
                recipe=recipe,
                subjects=names_or_all(subjects),
                seed=seed,
                permutations=permutations,
                refit=cast("Refit", refit),  # It is looked at there, as missing is.
                missing=cast("Missing", missing),
                strict=strict,
                n_jobs=jobs or cpu_count(),
                cluster=cluster,
                progress=tell,
            )
    print_result(result, as_json=as_json)


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
        write_report(result)
    print_result(result, as_json=as_json)


for command in (eda, train, predict, run, compare, audit, reproduce):
    app.command()(command)
app.add_typer(distill, name="distill")


def main() -> None:
    """Run the command line."""
    app()
