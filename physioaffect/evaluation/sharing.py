"""What the two sides of a split have in common, measured on the windows themselves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from physioaffect.evaluation.protocols import Fold, codes
from physioaffect.windows import overlaps

__all__ = ["Sharing", "sharing"]


class Sharing(NamedTuple):
    """Share of the test windows, 0 to 1, that have a counterpart among the windows a model was fitted on.

    ``samples``: a window of the same trial that overlaps it in time, so that raw samples are shared.
    """

    subject: float
    session: float
    trial: float
    stimulus: float
    samples: float


def sharing(coords: pd.DataFrame, fold: Fold) -> Sharing:
    """Measure what one fold shares.

    Parameters
    ----------
    coords : pandas.DataFrame
        One row per window, with the identifiers and ``start`` and ``duration`` in seconds.
    fold : Fold
        The split.

    Returns
    -------
    Sharing
    """
    fitted, test = fold.fitted_idx, fold.test_idx
    shares = {}
    for level in ("subject", "session", "trial", "stimulus"):
        units = codes(coords, level)
        shares[level] = float(np.isin(units[test], units[fitted]).mean())
    trials = codes(coords, "trial")
    starts = coords["start"].to_numpy(dtype=float)
    duration = float(coords["duration"].max())
    is_shared = np.zeros(len(test), dtype=bool)
    for trial in np.intersect1d(trials[test], trials[fitted]):
        own = trials[test] == trial
        is_shared[own] = overlaps(starts[test][own], starts[fitted][trials[fitted] == trial], duration)
    return Sharing(**shares, samples=float(is_shared.mean()))
