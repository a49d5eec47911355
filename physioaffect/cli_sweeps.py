"""The commands for many evaluations: run an experiment file, and compare what runs have found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from physioaffect.cli_options import ClusterOption, JobsOption, names_or_all
from physioaffect.cli_output import OUT, bar, plain, plain_errors
from physioaffect.cli_sweeps_output import (
    json_of_comparisons,
    json_of_sweep,
    print_comparisons,
    print_outcome,
    print_plan,
    print_summary,
)

if TYPE_CHECKING:
    from physioaffect.evaluation.sweeps.compare import Comparisons
    from physioaffect.evaluation.sweeps.experiment_plan import Experiment

__all__ = ["compare", "run"]


def run(
    experiment: Annotated[Path, typer.Argument(help="The experiment file, e.g. experiment.toml.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the results, instead of the file's own.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Only these runs, separated by commas; * stands for anything: dreamer-*-seed0."),
    ] = None,
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first run that fails.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be run, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Make all runs of an experiment: its data sets, tasks and seeds, each with all models and protocols.

    The file is checked as a whole before anything runs. Given again, the command continues where it stopped;
    runs may be added to the file. Exit code 1 if a run failed, 2 if the file cannot be run.
    """
    with plain_errors():
        from joblib import cpu_count  # noqa: PLC0415

        from physioaffect.evaluation.sweeps.experiment_plan import Experiment  # noqa: PLC0415
        from physioaffect.evaluation.sweeps.sweep import chosen_runs, run_experiment  # noqa: PLC0415

        asked = Experiment.read(experiment, out=out)
        patterns = names_or_all(only)
        chosen = chosen_runs(asked.runs(), patterns)
        if dry_run:
            print_plan(asked, chosen, as_json)
            return
        with bar(not as_json) as tell:
            outcomes = run_experiment(
                asked,
                only=patterns,
                n_jobs=jobs or cpu_count(),
                cluster=cluster,
                strict=strict,
                progress=tell,
                report=None if as_json else print_outcome,
            )
        found, refusal = _compared(asked)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if as_json:
        OUT.print_json(data=json_of_sweep(asked, outcomes, found, refusal), allow_nan=False)
    else:
        if found is not None:
            print_comparisons(found)
        if refusal is not None:
            OUT.print(plain(f"Not compared: {refusal}", style="yellow"), soft_wrap=True)
        print_summary(asked, outcomes, len(chosen))
        if found is not None:
            OUT.print(plain(f"Comparison: {asked.out / 'compare.html'}", style="bold"), soft_wrap=True)
    raise typer.Exit(1 if failed else 0)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or of experiments with runs inside.")],
    metric: Annotated[
        str | None,
        typer.Option(help="Which score, e.g. balanced_accuracy. Default: each task's primary one."),
    ] = None,
    level: Annotated[
        str, typer.Option(help="trial (a trial's windows are averaged first) or window.")
    ] = "trial",
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Compare the baselines in pairs, too.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the page there. Default: compare.html in a folder of runs.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table as CSV, too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Compare finished runs: means over seeds and people with intervals, and models in pairs.

    Runs whose labels, people or folds differ are refused, because their scores cannot be compared.
    """
    with plain_errors():
        from physioaffect.errors import ProtocolError  # noqa: PLC0415
        from physioaffect.evaluation.running.durable import write_whole  # noqa: PLC0415
        from physioaffect.evaluation.sweeps.compare import compare as run_comparison  # noqa: PLC0415
        from physioaffect.evaluation.sweeps.compare_page import write_comparisons  # noqa: PLC0415

        if level not in ("trial", "window"):
            raise ProtocolError(f"--level is trial or window, got {level!r}.")
        found = run_comparison(
            runs, metric=metric, level="trial" if level == "trial" else "window", baselines=baselines
        )
        page = html
        if page is None and len(runs) == 1 and not (runs[0] / "run.json").is_file():
            page = runs[0] / "compare.html"
        if page is not None:
            write_comparisons(found, page)
        if csv is not None:
            write_whole(csv, found.table.to_csv(index=False).encode())
    if as_json:
        OUT.print_json(data=json_of_comparisons(found), allow_nan=False)
        return
    print_comparisons(found)
    for what, path in (("Table", csv), ("Comparison", page)):
        if path is not None:
            OUT.print(plain(f"{what}: {path}", style="bold"), soft_wrap=True)


def _compared(asked: Experiment) -> tuple[Comparisons | None, str | None]:
    """Compare all runs of an experiment that are finished, or say why they cannot be compared."""
    from physioaffect.errors import PhysioaffectError  # noqa: PLC0415
    from physioaffect.evaluation.sweeps.compare import compare as run_comparison  # noqa: PLC0415
    from physioaffect.evaluation.sweeps.compare_page import write_comparisons  # noqa: PLC0415

    finished = [one.path for one in asked.runs() if (one.path / "scores.parquet").is_file()]
    if not finished:
        return None, None
    try:
        found = run_comparison(finished)
    except PhysioaffectError as error:
        return None, str(error)
    write_comparisons(found, asked.out / "compare.html")
    return found, None
