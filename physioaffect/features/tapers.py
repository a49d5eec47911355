"""The three windows that go by Hann's name, by which the samples of a frame are weighed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import hann

__all__ = ["TAPERS", "Taper", "check_taper"]

Taper = Literal["hann", "hann_symmetric", "hanning"]
"""``"hann"`` is the periodic one, of which a sine of whole periods fills three bins and no more, as in
SciPy's ``hann(n, sym=False)``; ``"hann_symmetric"`` begins and ends with zero (``sym=True``; TorchEEG's
``BandDifferentialEntropyV1``); ``"hanning"`` leaves these two zeros out (MATLAB's
``hanning(n)``)."""

TAPERS: dict[str, Callable[[int], NDArray[np.float64]]] = {
    "hann": lambda n_times: hann(n_times, sym=False),
    "hann_symmetric": lambda n_times: hann(n_times, sym=True),
    "hanning": lambda n_times: hann(n_times + 2, sym=True)[1:-1],
}


def check_taper(taper: str) -> None:
    """Refuse what is no taper.

    Raises
    ------
    ValueError
        If it is not one of ``TAPERS``.

    Examples
    --------
    >>> check_taper("hann")
    """
    if taper not in TAPERS:
        raise ValueError(f"Unknown taper {taper!r}: use one of {', '.join(get_args(Taper))}.")
