"""The reproduction as a page that needs nothing but itself."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from physioaffect.evaluation.running.durable import write_whole
from physioaffect.reproduce.running import Reproduction
from physioaffect.reproduce.values import Published, Row

__all__ = ["SCORE_TITLES", "Line", "lines_of", "write_page"]

SCORE_TITLES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted F1",
    "top1": "top-1",
    "top2": "top-2",
    "tri_p": "Tri-P",
    "seq2hr": "Seq2HR",
    "eda_rmse": "EDA RMSE (% of range)",
    "eda_r": "EDA r",
    "eda_ccc": "EDA CCC",
}


class Line(NamedTuple):
    """A model under a protocol: its rows by measure, the first of which is ``first``, and that by trial."""

    first: Row
    by_trial: Row | None
    others: tuple[Row, ...]

    @property
    def published(self) -> Published | None:
        """The printed number of the first measure."""
        return self.first.published


def lines_of(reproduction: Reproduction) -> list[list[Line]]:
    """Gather rows to lines, one list for each evaluation and protocol."""

    def of(row: Row) -> tuple[str, str]:
        return row.evaluation, row.protocol

    gathered = []
    for _, block in groupby(reproduction.rows, key=of):
        lines = []
        for _, own in groupby(block, key=lambda row: row.model):
            rows = list(own)
            window = [row for row in rows if not row.by_trial]
            trial = next((row for row in rows if row.by_trial), None)
            lines.append(Line(window[0], trial, tuple(window[1:])))
        gathered.append(lines)
    return gathered


def write_page(reproduction: Reproduction) -> Path:
    """Write ``reproduction.html``.

    Parameters
    ----------
    reproduction : Reproduction
        What is shown; every text is escaped.

    Returns
    -------
    path : Path
    """
    environment = Environment(
        loader=PackageLoader("physioaffect.reproduce", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    blocks = lines_of(reproduction)
    page = environment.get_template("reproduction.html").render(
        made=reproduction,
        blocks=blocks,
        others=[row.score for row in blocks[0][0].others] if blocks else [],
        titles=SCORE_TITLES,
        reports=sorted(name for name in reproduction.exclusions),
    )
    path = reproduction.path / "reproduction.html"
    write_whole(path, page.encode())
    return path
