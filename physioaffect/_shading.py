"""Stretches of time shaded by the reason why they are not trusted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioaffect.reasons import REASON_WORDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

__all__ = ["patches_of", "shade", "spans", "unit_of_time"]

# The colours of the quality report, paler; hatches, so that print without colour says as much.
_SHADES = {
    "gap": ("#dddddd", ""),
    "missing": ("#b3cfe3", "...."),
    "off_body": ("#bbbbbb", ""),
    "flat": ("#efd6e3", "----"),
    "clipped": ("#fbf6bd", "xxxx"),
    "out_of_range": ("#b3dfd3", "||||"),
    "settling": ("#cce8f8", "\\\\\\\\"),
    "motion": ("#f7dfb3", "////"),
}
_SHORT, _MINUTES = 300.0, 3 * 3600.0


def shade(
    axes: Sequence[Axes],
    stretches: Mapping[str, NDArray[np.bool_]],
    *,
    per_unit: float,
    start: float = 0.0,
) -> None:
    """Shade in each panel where each reason holds.

    ``stretches`` has a mask by reason. Of its samples ``per_unit`` make one unit of the axis of time, and the
    first lies at ``start``.
    """
    for reason, is_it in stretches.items():
        colour, hatch = _SHADES[reason]
        for ax in axes:
            ax.broken_barh(
                [(start + begin, length) for begin, length in spans(is_it, per_unit)],
                (0, 1),
                transform=ax.get_xaxis_transform(),
                facecolor=colour,
                edgecolor="0.55",
                hatch=hatch,
                linewidth=0,
                zorder=0,
                label=REASON_WORDS[reason].title,
            )


def patches_of(reasons: Collection[str]) -> list[Patch]:
    """What stands for each of them in a legend, in the order in which they are counted."""
    from matplotlib.patches import Patch  # noqa: PLC0415  It takes a third of a second to import.

    return [
        Patch(facecolor=colour, edgecolor="0.55", hatch=hatch, linewidth=0, label=REASON_WORDS[reason].title)
        for reason, (colour, hatch) in _SHADES.items()
        if reason in reasons
    ]


def spans(is_it: NDArray[np.bool_], per_unit: float) -> list[tuple[float, float]]:
    """Begin and length of each stretch, for an axis of which a unit has so many samples."""
    edges = np.flatnonzero(np.diff(is_it, prepend=False, append=False)) / per_unit
    return list(zip(edges[::2].tolist(), (edges[1::2] - edges[::2]).tolist(), strict=True))


def unit_of_time(duration: float) -> tuple[str, float]:
    """Name of the unit for an axis of so many seconds, and how many seconds it has.

    Examples
    --------
    >>> unit_of_time(60), unit_of_time(3600), unit_of_time(86_400)
    (('s', 1.0), ('min', 60.0), ('h', 3600.0))
    """
    if duration <= _SHORT:
        return "s", 1.0
    return ("min", 60.0) if duration <= _MINUTES else ("h", 3600.0)
