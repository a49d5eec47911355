"""Data sets that several reproductions simulate where nobody passed one."""

from __future__ import annotations

from pathlib import Path

from physioaffect.datasets import DREAMER, WESAD, World

__all__ = ["dreamer_without_affect", "wesad_with_effects"]


def dreamer_without_affect(folder: Path, is_quick: bool) -> Path:
    """Write ``DREAMER.mat`` unless it is there: whatever a protocol finds in it, it finds in the trial."""
    path = folder / "DREAMER.mat"
    if not path.exists():
        DREAMER.simulate(path, World.null(), n_subjects=3 if is_quick else 23, max_seconds=62)  # type: ignore[misc]
    return path


def wesad_with_effects(folder: Path, is_quick: bool) -> Path:
    """Write WESAD's layout unless it is there, with affect by as much as `World.planted` says."""
    path = folder / "wesad"
    if not path.exists():
        partial = folder / "wesad.partial"
        seconds = 240 if is_quick else None
        n_subjects = 3 if is_quick else WESAD.n_subjects
        world = World.planted()
        WESAD.simulate(partial, world, n_subjects=n_subjects, max_seconds=seconds, is_raw_written=False)  # type: ignore[misc]
        partial.rename(path)
    return path
