"""The command audit: look for leaks in a split that was made with any tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from physioaffect.cli_options import names
from physioaffect.cli_output import ERR, OUT, plain, plain_errors

if TYPE_CHECKING:
    from physioaffect.evaluation import Protocol

__all__ = ["audit"]

_STYLES = {"leak": "bold red", "warning": "yellow", "note": "dim"}


def audit(
    splits: Annotated[Path, typer.Argument(help="CSV: row, side (train, validation, test), fold.")],
    coords: Annotated[
        Path,
        typer.Argument(
            help="CSV, a line per window: row, subject, session, trial, stimulus, start, duration, order, "
            "elapsed, target, ... What is not there is not checked, and named."
        ),
    ],
    features: Annotated[
        Path | None,
        typer.Option(help="What the model gets, a line per window: .csv, .parquet or .npy."),
    ] = None,
    declares: Annotated[
        str | None,
        typer.Option(
            help="What the claim admits to be shared: subject, session, stimulus, separated by commas; or a "
            "protocol, such as loso."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of permutations and of rows drawn.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Look for leaks between train and test in a split made with any tool.

    Ends with 0 if nothing worse than a note is found, with 1 for a leak or a warning, and with 2 if the
    tables cannot be read.
    """
    with plain_errors():
        from physioaffect.evaluation.leakage import audit_folds  # noqa: PLC0415
        from physioaffect.evaluation.leakage.reading import (  # noqa: PLC0415
            read_coords,
            read_features,
            read_splits,
        )

        table, rows, unknown = read_coords(coords)
        found = audit_folds(
            table,
            read_splits(splits, rows),
            features=read_features(features, rows) if features is not None else None,
            declares=_declared(declares),
            seed=seed,
        )
    if as_json:
        OUT.print_json(data=found.to_dict() | {"columns_not_used": unknown}, allow_nan=False)
        raise typer.Exit(0 if found.is_clean else 1)
    for finding in found.findings:
        OUT.print(plain(f"{finding.severity}: {finding.kind}", style=_STYLES[finding.severity]))
        OUT.print(plain(f"  {finding.sentence}"), soft_wrap=True)
        OUT.print(plain(f"  {finding.mend}", style="dim"), soft_wrap=True)
    for name, reason in found.not_made.items():
        OUT.print(plain(f"not checked: {name}. {reason}", style="dim"), soft_wrap=True)
    if unknown:
        ERR.print(plain(f"Columns not used: {', '.join(unknown)}.", style="dim"), soft_wrap=True)
    n_folds = f"{found.n_folds} {'fold' if found.n_folds == 1 else 'folds'}"
    OUT.print(
        plain(
            f"Nothing wrong found in {n_folds} by the checks that were made."
            if found.is_clean
            else f"{len(found.kinds)} kind{'s'[: len(found.kinds) != 1]} of leaks or warnings in {n_folds}.",
            style="bold",
        )
    )
    raise typer.Exit(0 if found.is_clean else 1)


def _declared(text: str | None) -> Protocol | list[str] | None:
    from physioaffect.errors import ProtocolError  # noqa: PLC0415
    from physioaffect.evaluation.leakage.material import DECLARABLE  # noqa: PLC0415
    from physioaffect.evaluation.protocols import PROTOCOLS, get_protocol  # noqa: PLC0415

    if text is None:
        return None
    asked = names(text)
    if set(asked) <= set(DECLARABLE):
        return asked
    if len(asked) == 1:
        return get_protocol(asked[0])
    raise ProtocolError(
        f"--declares takes some of {', '.join(DECLARABLE)}, or one protocol of {', '.join(PROTOCOLS)}; "
        f"got {text}."
    )
