"""The figure that every plot returns."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

from physioaffect._style import in_style

__all__ = ["NotebookFigure"]

# Pixels per inch on the screen, and how many dots each has, so that letters are sharp.
_DPI, _DOTS = 100, 2


class NotebookFigure(Figure):
    """A figure of matplotlib that a notebook shows when it is the last value of a cell.

    Notebooks draw the figures that pyplot holds. These it does not hold: a loop over many people would leave
    them all in memory. Where pyplot's inline backend is active, its own way of showing comes first, so that
    a figure is never shown twice.
    """

    def draw(self, renderer: RendererBase) -> None:
        """Draw, with the same settings as when it was made: matplotlib makes ticks only now."""
        in_style(super().draw)(renderer)

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        """Show in a notebook: a picture, and its size in pixels of the screen."""
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=_DOTS * _DPI)
        width, height = (round(inches * _DPI) for inches in self.get_size_inches())
        return picture.getvalue(), {"width": width, "height": height}
