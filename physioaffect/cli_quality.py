"""What ``features --report`` does after the features are made."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physioaffect.data_set import DataSet
    from physioaffect.features import Recipe
    from physioaffect.progress import Progress

__all__ = ["quality_page"]


def quality_page(
    known: DataSet,
    path: Path,
    recipe: Recipe,
    out: Path,
    *,
    clean: bool,
    baseline: str | None,
    smooth: str | None,
    subjects: Sequence[str] | None,
    csv_map: Path | None,
    n_jobs: int,
    client: Any,
    progress: Progress,
) -> Path:
    """Write the quality report beside the store: ``features.html`` for ``features.zarr``.

    It says the command that makes the same numbers; ``clean``, ``baseline`` and ``smooth`` are the options of
    which ``recipe`` was made.
    """
    from physioaffect.datasets import find_recordings  # noqa: PLC0415
    from physioaffect.devices.map_file import read_map  # noqa: PLC0415
    from physioaffect.quality_report import write_quality_report  # noqa: PLC0415

    passed_over: Sequence[tuple[Path, str]] = ()
    if known.name == "wearable":
        found = find_recordings(path, None if csv_map is None else read_map(csv_map))
        passed_over = found.passed_over
    cut = recipe.windows
    command = ["physioaffect", "features", known.name, str(path), "-o", str(out)]
    command += ["--window", f"{cut.duration:g}", "--step", f"{cut.step or cut.duration:g}"]
    command += ["--features", ",".join(family.name for family in recipe.features)]
    command += ["--clean"] if clean else []
    command += [] if baseline is None else ["--baseline", baseline]
    command += [] if smooth is None else ["--smooth", smooth]
    command += [] if csv_map is None else ["--map", str(csv_map)]
    command += [] if subjects is None else ["--subjects", ",".join(subjects)]
    return write_quality_report(
        known,
        path,
        recipe,
        out,
        out.with_name(f"{out.name.removesuffix('.zarr')}.html"),
        subjects=subjects,
        passed_over=passed_over,
        command=shlex.join([*command, "--report"]),
        n_jobs=n_jobs,
        client=client,
        progress=progress,
    )
