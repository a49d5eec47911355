"""What the command line prints of experiments and comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from physioaffect.cli_output import ERR, OUT, plain

if TYPE_CHECKING:
    import pandas as pd

    from physioaffect.evaluation.sweeps.compare import Comparisons
    from physioaffect.evaluation.sweeps.experiment_plan import Experiment, PlannedRun
    from physioaffect.evaluation.sweeps.sweep import Outcome

__all__ = [
    "json_of_comparisons",
    "json_of_sweep",
    "print_comparisons",
    "print_outcome",
    "print_plan",
    "print_summary",
]

# More pairs than a screen holds are on the page.
_MOST_PAIRS = 30


def print_plan(asked: Experiment, chosen: list[PlannedRun], as_json: bool) -> None:
    """Print the runs that an experiment plans, and how far each is."""
    rows = [
        {
            "run": one.name,
            "dataset": one.source.dataset.name,
            "task": one.task,
            "seed": one.seed,
            "models": list(one.models),
            "protocols": [protocol.name for protocol in one.protocols],
            "path": str(one.path),
            "state": _state(one.path),
        }
        for one in chosen
    ]
    if as_json:
        OUT.print_json(data={"out": str(asked.out), "runs": rows})
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for title in ("run", "data set", "task", "seed", "state"):
        table.add_column(title, justify="right" if title == "seed" else "left", no_wrap=title == "run")
    for row in rows:
        texts = [str(row[key]) for key in ("run", "dataset", "task", "seed", "state")]
        table.add_row(*map(plain, texts))
    OUT.print(table)
    OUT.print(plain(f"Models: {', '.join(chosen[0].models)}"))
    OUT.print(plain(f"Protocols: {', '.join(protocol.name for protocol in chosen[0].protocols)}"))
    OUT.print(plain(f"{_counted(len(rows), 'run')} into {asked.out}", style="bold"), soft_wrap=True)


def _state(path: Path) -> str:
    if (path / "report.html").is_file():
        return "finished"
    return "begun" if (path / "run.json").is_file() else ""


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def print_outcome(outcome: Outcome) -> None:
    """Print a line when a run has ended."""
    said = {
        "before": ("finished before", "dim"),
        "finished": (f"finished in {outcome.seconds:.0f} s", "green"),
        "failed": (f"failed: {outcome.error}", "bold red"),
    }
    text, style = said[outcome.status]
    ERR.print(plain(f"{outcome.run.name}: "), plain(text, style=style), sep="", soft_wrap=True)
    if outcome.details is not None:
        ERR.print(plain(outcome.details, style="dim"))


def print_summary(asked: Experiment, outcomes: list[Outcome], n_chosen: int) -> None:
    """Print how many runs finished, and which failed."""
    n_failed = sum(outcome.status == "failed" for outcome in outcomes)
    n_before = sum(outcome.status == "before" for outcome in outcomes)
    said = [f"{len(outcomes) - n_failed} of {_counted(n_chosen, 'run')} finished"]
    said += [f"{n_before} of them before"] if n_before else []
    said += [f"{n_failed} failed"] if n_failed else []
    said += [f"{n_chosen - len(outcomes)} not begun"] if n_chosen > len(outcomes) else []
    OUT.print(plain(f"{', '.join(said)}: {asked.out}", style="bold"), soft_wrap=True)
    for outcome in outcomes:
        if outcome.status == "failed":
            OUT.print(plain(f"Failed: {outcome.run.name}. {outcome.error}", style="red"), soft_wrap=True)


def print_comparisons(found: Comparisons) -> None:
    """Print a table for each data set and task, the pairs, and what limits them."""
    from physioaffect.evaluation.report.words import title_of  # noqa: PLC0415

    percent = f"{100 * found.confidence:g} %"
    for (dataset, task), part in found.table.groupby(["dataset", "task"], sort=False):
        is_simulated = part["flags"].str.contains("simulated").any()
        table = Table(
            title=plain(f"{dataset}: {task}{' (SIMULATED DATA)' if is_simulated else ''}"),
            caption=f"by {found.level}; each person's mean over seeds first; t interval over people",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        is_wide = OUT.width >= 100
        table.add_column("protocol / model", no_wrap=True)
        heads = [title_of(str(part["metric"].iloc[0])).replace(" ", "\n"), f"{percent}\ninterval"]
        heads += [*(["SD of\npeople"] if is_wide else []), "SD of\nseeds", "people", "seeds"]
        for title in heads:
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("note")
        for protocol, rows in part.groupby("protocol", sort=False):
            has_claim = found.claims[str(dataset), str(task), str(protocol)] is not None
            mark = plain("" if has_claim else "no claim", style="bold red")
            table.add_row(plain(str(protocol), style="bold"), *[""] * len(heads), mark)
            for row in rows.to_dict("records"):
                cells = [_number(row["mean"]), f"{_number(row['low'])} to {_number(row['high'])}"]
                cells += [*([_number(row["sd"])] if is_wide else []), _number(row["sd_seeds"])]
                cells += [str(row["n_subjects"]), str(row["n_seeds"])]
                clock = [flag for flag in row["flags"].split("; ") if flag.startswith("clock")]
                table.add_row(
                    plain(f"  {row['model']}"),
                    *cells,
                    plain("; ".join(clock), style="red"),
                    style="dim" if row["is_baseline"] else "",
                )
            table.add_section()
        OUT.print(table)
    _print_pairs(found.pairs)
    for text in dict.fromkeys(str(ranks) for ranks in found.ranks.values() if isinstance(ranks, str)):
        OUT.print(plain(f"Over data sets: {text}"), soft_wrap=True)
    for protocol, ranks in found.ranks.items():
        if not isinstance(ranks, str):
            order = ", ".join(f"{model} {rank:.2f}" for model, rank in ranks.ranks.items())
            OUT.print(plain(f"Over data sets, {protocol}: {ranks.sentence()} {order}."), soft_wrap=True)
    for warning in found.warnings:
        OUT.print(plain(f"Note: {warning}", style="yellow"), soft_wrap=True)


def _print_pairs(pairs: pd.DataFrame) -> None:
    if pairs.empty:
        return
    shown = pairs if len(pairs) <= _MOST_PAIRS else pairs[pairs["p"] < 0.05]
    OUT.print(
        plain(
            "Models in pairs, over people. p is Holm-corrected within a table: of sign flips, or, where "
            "people share training people, of the t test with Nadeau and Bengio's variance."
        )
    )
    keys = ["dataset", "task", "protocol", "flags"]
    for (dataset, task, protocol, flags), rows in shown.groupby(keys, sort=False):
        title = plain(f"{dataset}: {task}, {protocol}")
        table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
        title.append(f" ({flags})" if flags else "", style="red")
        table.add_column("models", no_wrap=True)
        for head in ("difference", "interval", "dz", "p", "people"):
            table.add_column(head, justify="right", no_wrap=True)
        for row in rows.to_dict("records"):
            table.add_row(
                plain(f"{row['model_a']} - {row['model_b']}"),
                f"{row['difference']:+.2f}",
                f"{row['low']:+.2f} to {row['high']:+.2f}",
                f"{row['effect_size']:.2f}",
                f"{row['p']:.3f}",
                str(row["n"]),
                style="" if row["p"] < 0.05 else "dim",
            )
        OUT.print(table)
    if len(shown) < len(pairs):
        OUT.print(plain(f"{len(pairs) - len(shown)} more pairs are not told apart: see the page."))


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"  # noqa: PLR0124  NaN is not itself.


def json_of_sweep(
    asked: Experiment, outcomes: list[Outcome], found: Comparisons | None, refusal: str | None
) -> dict[str, Any]:
    """Say an experiment's outcomes and comparison for scripts."""
    runs = [
        {
            "run": outcome.run.name,
            "status": outcome.status,
            "error": outcome.error,
            "path": str(outcome.run.path),
        }
        for outcome in outcomes
    ]
    told: dict[str, Any] = {"out": str(asked.out), "runs": runs, "not_compared": refusal}
    return told | {"comparison": json_of_comparisons(found) if found is not None else None}


def json_of_comparisons(found: Comparisons) -> dict[str, Any]:
    """Say a comparison for scripts."""
    from physioaffect.evaluation.sweeps.compare import records  # noqa: PLC0415

    return {
        "level": found.level,
        "confidence": found.confidence,
        "scores": records(found.table),
        "pairs": records(found.pairs),
        "ranks": {
            protocol: {"refused": ranks}
            if isinstance(ranks, str)
            else {
                "mean_ranks": {str(model): float(rank) for model, rank in ranks.ranks.items()},
                "critical_difference": ranks.difference,
                "p": ranks.p_iman_davenport,
            }
            for protocol, ranks in found.ranks.items()
        },
        "runs": records(found.runs),
        "warnings": list(found.warnings),
    }
