"""The command that runs published systems: their protocol beside honest ones, their numbers beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from physioaffect.cli_options import JobsOption, SubjectsOption, names_or_all
from physioaffect.cli_output import OUT, bar, plain, plain_errors

if TYPE_CHECKING:
    from physioaffect.reproduce import Reproduction
    from physioaffect.reproduce.neurogaze import FaceReproduction
    from physioaffect.reproduce.page import Line
    from physioaffect.reproduce.values import Request

__all__ = ["reproduce"]


def reproduce(
    name: Annotated[
        str, typer.Argument(help="A published system: histn, neurogaze, pinn, rbtransformer, wears, wesad.")
    ],
    path: Annotated[
        Path | None,
        typer.Argument(help="Where one of its data sets lies. Default: its layout is simulated."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Three people, three epochs, one task: no estimate.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the results. Default: results/reproduce-NAME."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Tasks, separated by commas. Default: those of the paper.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Where a paper and its code differ: paper (default) or code.")
    ] = None,
    subjects: SubjectsOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    jobs: JobsOption = None,
    device: Annotated[str, typer.Option(help="Where networks are trained: auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Run a published system under its own protocol and under honest ones, and print both beside its numbers.

    Given again after an interruption, the same command continues where it stopped.
    """
    with plain_errors():
        from joblib import cpu_count  # noqa: PLC0415

        from physioaffect.device import check_device  # noqa: PLC0415
        from physioaffect.errors import DataError, ProtocolError  # noqa: PLC0415

        try:
            from physioaffect.reproduce import SYSTEMS  # noqa: PLC0415
            from physioaffect.reproduce import reproduce as run  # noqa: PLC0415
        except ImportError as error:
            if error.name != "torch":
                raise
            raise DataError(
                "Most published systems are networks and need torch, which is not installed: "
                "pip install 'physioaffect[torch]'"
            ) from error

        if name not in SYSTEMS:
            raise ProtocolError(f"There is nothing called {name!r} to reproduce: use {', '.join(SYSTEMS)}.")
        try:
            check_device(device)
        except ValueError as error:
            raise ProtocolError(str(error)) from None
        where: Literal["auto", "cpu", "cuda"] = device  # type: ignore[assignment]  # Just checked.
        folder = out or Path("results") / f"reproduce-{name}{'-quick' if quick else ''}"
        with bar(not as_json) as tell:
            made = run(
                SYSTEMS[name],
                path,
                out=folder,
                quick=quick,
                variant=variant,
                tasks=names_or_all(task),
                subjects=names_or_all(subjects),
                seed=seed,
                n_jobs=jobs or cpu_count(),
                device=where,
                progress=tell,
            )
    if as_json:
        OUT.print_json(data=made.to_json() | {"out": str(made.path)}, allow_nan=False)
        return
    from physioaffect.reproduce.neurogaze import FaceReproduction  # noqa: PLC0415

    if isinstance(made, FaceReproduction):
        print_face_reproduction(made)
    else:
        print_reproduction(made)


def print_reproduction(made: Reproduction) -> None:
    """Print the table, what it may be taken for, and what differs."""
    from physioaffect.reproduce.page import lines_of  # noqa: PLC0415

    blocks = lines_of(made)
    title = f"{made.system.title} on {made.request.dataset.title}"
    OUT.print(plain(title + _marks(made.request), style="bold"))
    OUT.print(plain("In per cent: mean ± SD over folds or people as said; by trial always over people.\n"))
    widest = max((len(line.first.model) for lines in blocks for line in lines), default=0)
    for lines in blocks:
        _print_block(lines, widest)
    for protocol, claim in {lines[0].first.protocol: lines[0].first.claim for lines in blocks}.items():
        said = claim or "Supports no claim: it tests windows of trials that were trained on."
        OUT.print(Text.assemble((f"{protocol}: ", "bold"), said))
    OUT.print(plain(made.verdict, style="bold"))
    OUT.print(plain("What differs from what was published:"))
    for sentence in made.differences:
        OUT.print(plain(f"  - {sentence}"))
    if n_left_out := sum(made.exclusions.values()):
        OUT.print(plain(f"{n_left_out} exclusions: see the reports of the runs.", style="yellow"))
    OUT.print(plain(f"Report: {made.path / 'reproduction.html'}", style="bold"), soft_wrap=True)


def _marks(request: Request) -> str:
    marks = ["QUICK"] if request.is_quick else []
    marks += ["SIMULATED DATA"] if request.is_simulated else []
    return f" ({', '.join(marks)})" if marks else ""


def _print_block(lines: Sequence[Line], widest: int) -> None:
    """Print the models of one protocol, with what its numbers are and may be taken for above them."""
    from physioaffect.reproduce.page import SCORE_TITLES  # noqa: PLC0415

    head = lines[0].first
    over = " or ".join(sorted({f"{line.first.n} {line.first.over}" for line in lines}))
    score = SCORE_TITLES[head.score]
    told = f" over {over}, " if head.evaluation.endswith(score) else f": {score} over {over}, "
    told += "as published; " if head.is_published else ""
    claim = (
        ("supports a claim", "green")
        if head.claim is not None
        else (f"no claim, {head.shared:.0f} % trained on", "bold red")
    )
    OUT.print(Text.assemble((f"{head.evaluation}, {head.protocol}", "bold"), told, claim))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", min_width=widest + 2, overflow="fold")
    others = [row.score for row in lines[0].others]
    others = others if OUT.width >= 80 + 16 * len(others) else []
    by_trial = ["by trial"] if any(line.by_trial for line in lines) else []
    for column in ("published", "ours", *by_trial, *(SCORE_TITLES[score] for score in others)):
        # As wide as the longest number, so that the blocks stand below one another.
        table.add_column(column, justify="right", min_width=14, no_wrap=True)
    for line in lines:
        table.add_row(
            plain(f"  {line.first.model}"),
            plain(str(line.published or "")),
            plain(str(line.first)),
            *(plain(str(line.by_trial or "")) for _ in by_trial),
            *(plain(str(row)) for row in line.others[: len(others)]),
            style="dim" if line.first.is_baseline else "",
        )
    OUT.print(table)
    OUT.print()


def print_face_reproduction(made: FaceReproduction) -> None:
    """Print the ablation with its controls, the verdict, and what differs from what was published."""
    from physioaffect.distill.scores import MEASURES  # noqa: PLC0415
    from physioaffect.reproduce.neurogaze_page import blocks_of  # noqa: PLC0415

    shown = Table(
        title=made.system.title + _marks(made.request),
        caption=f"per cent: mean of {len(made.study.seeds)} seeds, 95 % interval over identities and seeds",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    shown.add_column("set / arm", overflow="fold")
    for name in ("published macro-F1", *MEASURES.values()):
        shown.add_column(name, justify="right", overflow="fold")
    for head, arms in blocks_of(made):
        shown.add_row(plain(head, style="bold"), "", "", "", "")
        for rows in arms:
            printed = str(rows[0].published or "")
            cells = [f"{row.mean:.1f} [{row.low:.1f}, {row.high:.1f}]" for row in rows]
            style = "" if rows[0].arm.startswith("B") else "dim"
            shown.add_row(plain(f"  {rows[0].arm} {rows[0].title}"), printed, *cells, style=style)
        shown.add_section()
    OUT.print(shown)
    OUT.print(plain(made.verdict, style="bold"))
    answer, *_ = made.answers.values()
    OUT.print(plain(f"Does the brain part help? {answer.answer}.", style="bold"))
    for sentence in made.differences:
        OUT.print(plain(f"  - {sentence}"))
    OUT.print(plain(f"Report: {made.path / 'reproduction.html'}", style="bold"), soft_wrap=True)
