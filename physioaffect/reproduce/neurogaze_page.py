"""The reproduction of NeuroGaze-Distill as a page that needs nothing but itself."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from physioaffect.evaluation.running.durable import write_whole

if TYPE_CHECKING:
    from physioaffect.reproduce.neurogaze import FaceReproduction, FaceRow

__all__ = ["blocks_of", "write_face_page"]


def blocks_of(made: FaceReproduction) -> list[tuple[str, list[list[FaceRow]]]]:
    """Gather the table: by set and way of counting a list of arms, of each its rows by measure."""
    blocks = []
    for (name, present_only), block in groupby(made.table, key=lambda row: (row.set, row.present_only)):
        head = f"{name}, {'present-only' if present_only else f'{len(made.study.classes)}-way'}"
        blocks.append((head, [list(own) for _, own in groupby(block, key=lambda row: row.arm)]))
    return blocks


def write_face_page(made: FaceReproduction) -> Path:
    """Write ``reproduction.html``; every text is escaped."""
    environment = Environment(
        loader=PackageLoader("physioaffect.reproduce", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    first = next(iter(made.answers.values()))
    page = environment.get_template("neurogaze.html").render(
        made=made, blocks=blocks_of(made), answer=first.answer, answers=made.answers
    )
    path = made.path / "reproduction.html"
    write_whole(path, page.encode())
    return path
