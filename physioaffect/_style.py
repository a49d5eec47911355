"""One look for every figure: colours that all people tell apart, and sizes that are read in print."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["COLOURS", "DIVERGING", "NOTHING", "PAGE", "SEQUENTIAL", "in_style"]

# Okabe & Ito's colours, made to be told apart by everyone; those first that are seen best on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

# Both are told apart by people who see red and green alike.
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"

# What is not a number is grey, which neither map has.
NOTHING = "0.85"

# Inches between the margins of a printed page. A figure no wider than this is not made smaller there.
PAGE = 7.5

# Sizes in points, as they stand on that page; colours for white paper, whatever style a notebook has.
_SETTINGS: Any = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "figure.titlesize": 10,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": "black",
    "axes.grid": False,
    "axes.labelcolor": "black",
    "axes.linewidth": 0.7,
    "axes.titlecolor": "auto",
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "text.color": "black",
    "xtick.color": "black",
    "ytick.color": "black",
    "xtick.labelcolor": "inherit",
    "ytick.labelcolor": "inherit",
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "hatch.linewidth": 0.6,
}

P = ParamSpec("P")
R = TypeVar("R")


def in_style(draws: Callable[P, R]) -> Callable[P, R]:
    """Run a function with the settings of all figures, and put matplotlib's back as they were."""

    @wraps(draws)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        from matplotlib import rc_context  # noqa: PLC0415  It takes a third of a second to import.

        with rc_context(_SETTINGS):
            return draws(*args, **kwargs)

    return drawn
