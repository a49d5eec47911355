"""The command eda: one recording of skin conductance taken apart, with a table, a figure and intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from physioaffect.cli_output import OUT, plain, plain_errors

__all__ = ["eda"]


def eda(
    recording: Annotated[
        Path,
        typer.Argument(help="A device's file or folder: E4 zip, EmbracePlus avro, EDF, CSV with a map, ..."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the tables and the figure.")],
    csv_map: Annotated[
        Path | None, typer.Option("--map", help="Map of a text table. Default: physioaffect.toml beside it.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw eda.png and eda.pdf, too.")] = False,
    own_constants: Annotated[
        bool,
        typer.Option(
            "--own-constants", help="Use the person's own time constants, where the recording tells them."
        ),
    ] = False,
    threshold: Annotated[float, typer.Option(help="Smallest response in microsiemens.")] = 0.05,
    refits: Annotated[int, typer.Option(min=0, help="Refits behind the intervals; 0 for no intervals.")] = 50,
    settled: Annotated[
        bool, typer.Option("--settled", help="The electrodes were on before: keep the first minute.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Take skin conductance apart into tonic level, responses and what made them, with intervals.

    What is not to be trusted is masked, with its reason, and what is left of the rest is not filled in.
    """
    with plain_errors():
        from physioaffect.devices.any_file import read_device  # noqa: PLC0415
        from physioaffect.devices.map_file import read_map  # noqa: PLC0415
        from physioaffect.eda_analysis import UnusableEDA, analyse_eda, checked_options  # noqa: PLC0415
        from physioaffect.eda_files import summary, write_eda, write_refused  # noqa: PLC0415
        from physioaffect.errors import DataError  # noqa: PLC0415

        checked_options(threshold=threshold, n_refits=refits)
        session = read_device(recording, csv_map=None if csv_map is None else read_map(csv_map))
        try:
            analysis = analyse_eda(
                session, own_constants=own_constants, threshold=threshold, n_refits=refits, settled=settled
            )
        except UnusableEDA as refused:
            written = write_refused(refused, out, plot=plot)
            shown = f"{written['png']} shows it." if plot else "--plot draws it."
            raise DataError(
                f"{refused} {written['samples']} tells of each sample why it was not used; {shown}"
            ) from None
        files = write_eda(analysis, out, plot=plot)
        told = summary(analysis)
    if as_json:
        OUT.print_json(data=told | {"files": {name: str(path) for name, path in files.items()}})
        return
    constants = told["time_constants"]
    own = "the person's own" if constants["are_own"] else "the usual"
    OUT.print(
        plain(
            f"{told['device']}: {told['duration_s'] / 60:.1f} min of skin conductance, "
            f"{told['coverage']:.0%} used; level {told['tonic_median_uS']:.2f} µS, "
            f"{told['n_bursts_seen']} responses ({told['bursts_per_minute']:.1f} a minute), with "
            f"{own} time constants of {constants['tau_rise_s']:.2g} and {constants['tau_decay_s']:.2g} s."
        )
    )
    for reason, share in told["masked"].items():
        OUT.print(plain(f"Masked: {share:.1%} {reason.replace('_', ' ')}.", style="yellow"))
    for note in told["notes"]:
        OUT.print(plain(f"Note: {note}", style="dim"), soft_wrap=True)
    OUT.print(plain(", ".join(str(path) for path in files.values()), style="bold"), soft_wrap=True)
