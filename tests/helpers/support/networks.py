"""A little to learn for every network, and every network that has learned it."""

from functools import cache
from typing import Any

import numpy as np

from physioaffect.graphs import HISTN_HIERARCHIES, NETWORKS
from physioaffect.recording import Signal
from physioaffect.windows import Windowing, Windows

CH_NAMES = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
assert set(CH_NAMES) == set(HISTN_HIERARCHIES["V0"].ch_names)

ESTIMATORS = {one.__name__: one for both in NETWORKS.values() for one in both if one is not None}


def windows(layout: tuple[str, ...], n_windows: int = 24) -> Any:
    """Noise: an array of features, or windows of one second of raw EEG."""
    rng = np.random.default_rng(7)
    if layout[-1] != "time":
        return rng.normal(size=(n_windows, len(CH_NAMES), 4))
    data = 1e-5 * rng.standard_normal((len(CH_NAMES), 64 * n_windows))
    eeg = Signal(data=data, sfreq=64.0, ch_names=CH_NAMES, kind="eeg", unit="V")
    return Windows([eeg], [Windowing(duration=1).intervals(eeg.duration)])


@cache
def fitted(name: str, **settings: Any) -> Any:
    """An estimator that saw `windows` once; do not change it."""
    made = ESTIMATORS[name]
    model = made(epochs=1, batch_size=8, ch_names=CH_NAMES, random_state=0, device="cpu", **settings)
    X = windows(model.layout)
    y = (
        np.resize(["calm", "neutral", "tense"], len(X))
        if hasattr(model, "predict_proba")
        else np.arange(24.0)
    )
    return model.fit(X, y)


def predicted(model: Any, X: Any) -> Any:
    """Probabilities of a classifier, numbers of a regressor."""
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
