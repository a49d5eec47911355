"""A saved network applied to a recording, window by window."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.devices.eeg_file import read_eeg
from physioaffect.errors import DataError, ProtocolError
from physioaffect.features.origin import Origin
from physioaffect.features.trial_table import join, table_of_trial
from physioaffect.recording import Signal, Trial
from physioaffect.signals.eeg import EEGCleaning, clean_eeg
from physioaffect.windows import Windows

__all__ = ["Predictions", "Predictor", "load_predictor", "predict_recording"]

_LARGEST_JSON = 10_000_000
_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictor:
    """A fitted network, however it was saved.

    ``predict`` takes windows (n_windows, n_channels, n_last) of the ``layout`` and gives (n_windows,
    n_classes) probabilities, or (n_windows, 1) numbers if there are no ``classes``.
    """

    predict: Callable[[Any], NDArray[np.float64]]
    layout: tuple[str, ...]
    classes: tuple[str, ...]
    origin: Origin


class Predictions(NamedTuple):
    """One row per window: start and duration in seconds, quality, prediction and ``p_<class>``.

    ``quality`` is the share of samples that is there and not flagged; where there are too few, the prediction
    is None and what belongs to it NaN.
    """

    windows: pd.DataFrame
    predictor: Predictor


def load_predictor(path: Path | str) -> Predictor:
    """Read a network that `save_network` or `export_onnx` wrote; the file may come from a stranger.

    Parameters
    ----------
    path : path
        ``.safetensors``, which needs torch; or ``.onnx``, with its ``.onnx.json`` beside it, which needs
        onnxruntime.

    Returns
    -------
    Predictor

    Raises
    ------
    DataError
        If the file is neither, is damaged, or does not tell what the network learned from.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.features import DifferentialEntropy, Recipe
    >>> from physioaffect.graphs import LinearClassifier, save_network
    >>> from physioaffect.windows import Windowing
    >>> recipe = Recipe(windows=Windowing(duration=2), features=(DifferentialEntropy(),))
    >>> origin = Origin(recipe=recipe, ch_names=("F3", "F4"), sfreq=128, classes=("calm", "tense"))
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(32, 2, 5)), np.arange(32) % 2  # Two electrodes, five bands.
    >>> model = LinearClassifier(epochs=1, batch_size=16, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     predictor = load_predictor(save_network(model, Path(folder, "m.safetensors"), origin=origin))
    >>> predictor.classes, predictor.layout, predictor.predict(X).shape
    (('calm', 'tense'), ('channel', 'band'), (32, 2))
    """
    path = Path(path)
    readers = {".safetensors": _from_safetensors, ".onnx": _from_onnx}
    if path.suffix not in readers:
        raise DataError(
            f"A network is a file named .safetensors or .onnx, got {path.name!r}. The command train "
            "writes one."
        )
    if not path.is_file():
        raise DataError(f"There is no file {path}: give a network that physioaffect saved.")
    return readers[path.suffix](path)


def _from_safetensors(path: Path) -> Predictor:
    try:
        from physioaffect.graphs import load_network, load_origin  # noqa: PLC0415  It imports torch.
    except ImportError as error:
        if error.name != "torch":
            raise
        raise DataError(
            "Networks need torch, which is not installed: pip install 'physioaffect[torch]'"
        ) from error
    origin = _told(load_origin(path), path)
    # Where it was trained, there may have been a graphics card.
    network: Any = load_network(path)
    devices = [name for name in network.get_params() if name.rpartition("__")[-1] == "device"]
    network.set_params(**dict.fromkeys(devices, "auto"))
    if not hasattr(network, "classes_"):
        return Predictor(
            predict=lambda X: network.predict(X)[:, np.newaxis],
            layout=network.layout,
            classes=(),
            origin=origin,
        )
    classes = origin.named(network.classes_.tolist())
    return Predictor(predict=network.predict_proba, layout=network.layout, classes=classes, origin=origin)


def _from_onnx(path: Path) -> Predictor:
    beside = path.with_name(f"{path.name}.json")
    if not beside.is_file() or beside.stat().st_size > _LARGEST_JSON:
        raise DataError(
            f"{beside} is missing, which tells what the network of {path.name} is for. Copy both."
        )
    try:
        told = json.loads(beside.read_text(encoding="utf-8"))
        layout, classes, window = (tuple(told[name]) for name in ("layout", "classes", "window"))
        origin = told["origin"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise DataError(
            f"{beside} is not what export_onnx writes: {error!r}. Export the network again."
        ) from error
    try:
        import onnxruntime  # noqa: PLC0415
    except ImportError as error:
        raise DataError(
            "Networks in ONNX need onnxruntime, which is not installed: pip install 'physioaffect[onnx]'"
        ) from error
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        if [tuple(one.shape[1:]) for one in session.get_inputs()] != [window]:
            raise DataError(f"{path} and {beside.name} are not of one network. Export it again.")
    except DataError:
        raise
    except Exception as error:  # onnxruntime raises errors of its own making.
        raise DataError(f"{path} is no ONNX file, or damaged: {error}. Export the network again.") from error

    def predict(X: Any) -> NDArray[np.float64]:
        parts = [
            np.asarray(X[first : first + _AT_ONCE], dtype=np.float32) for first in range(0, len(X), _AT_ONCE)
        ]
        out = np.concatenate([session.run(None, {"windows": part})[0] for part in parts])
        return np.asarray(out.reshape(len(out), -1), dtype=np.float64)

    known = _told(Origin.from_json(json.dumps(origin)) if origin is not None else None, path)
    return Predictor(predict=predict, layout=layout, classes=tuple(map(str, classes)), origin=known)


def _told(origin: Origin | None, path: Path) -> Origin:
    if origin is None:
        raise DataError(
            f"{path} does not tell what its network learned from, so nobody knows what windows to give it. "
            "Save it with origin=Origin(...), as the command train does."
        )
    return origin


def predict_recording(
    predictor: Predictor | Path | str,
    recording: Signal | Path | str,
    *,
    resample: bool = False,
    rest: float = 0.0,
) -> Predictions:
    """Cut a recording into windows as a network knows them, and let it predict each.

    Parameters
    ----------
    predictor : Predictor or path
        The network, or its file.
    recording : Signal or path
        Continuous EEG, or its file: EDF, BDF or what mne reads. Channels are found by name.
    resample : bool
        Whether a recording at a higher rate than the network knows is brought to that one.
    rest : float
        Seconds at the beginning that are rest: what a recipe with a ``baseline`` compares with. They are not
        predicted; times count from their end.

    Returns
    -------
    Predictions
        Of the whole recording, in order.

    Raises
    ------
    DataError
        If the recording lacks electrodes, comes at another rate or in another unit, or is too short.
    ProtocolError
        If the recipe makes no windows such as the network wants.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.features import DifferentialEntropy, Recipe
    >>> from physioaffect.graphs import LinearClassifier, save_network
    >>> from physioaffect.windows import Windowing
    >>> recipe = Recipe(windows=Windowing(duration=2), features=(DifferentialEntropy(),))
    >>> origin = Origin(recipe=recipe, ch_names=("F3", "F4"), sfreq=128, classes=("calm", "tense"))
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(32, 2, 5)), np.arange(32) % 2  # Two electrodes, five bands.
    >>> model = LinearClassifier(epochs=1, batch_size=16, random_state=0).fit(X, y)
    >>> eeg = Signal(
    ...     data=1e-5 * rng.normal(size=(2, 1280)), sfreq=128.0, ch_names=("F3", "F4"), kind="eeg", unit="V"
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_network(model, Path(folder, "m.safetensors"), origin=origin)
    ...     found = predict_recording(path, eeg)
    >>> found.windows["start"].tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0]
    >>> bool(np.allclose(found.windows[["p_calm", "p_tense"]].sum(axis=1), 1))
    True
    """
    predictor = predictor if isinstance(predictor, Predictor) else load_predictor(predictor)
    origin, recipe = predictor.origin, predictor.origin.recipe
    if not isinstance(recording, Signal):
        recording = read_eeg(recording, origin.ch_names)
    trial = _trial(_as_known(recording, origin, resample=resample), origin, rest)
    is_raw = predictor.layout == ("channel", "time")
    part = table_of_trial(trial, recipe, keep="eeg" if is_raw else None)
    n_windows = len(part.intervals.starts)
    if n_windows == 0:
        raise DataError(
            f"The recording lasts {trial.duration:g} s{' after the rest' if rest else ''}, a window of the "
            f"network {recipe.windows.duration:g} s. Give a longer one."
        )
    features = join([part], recipe.smoothing)
    is_there = np.all(
        [np.isfinite(v.values).reshape(n_windows, -1).all(axis=1) for v in features.data_vars.values()],
        axis=0,
    )
    if is_raw:
        assert part.kept is not None  # As asked for.
        X: Any = Windows([part.kept], [part.intervals])
        is_there &= X.coverage == 1
        X = X.select(np.flatnonzero(is_there))
    else:
        fitting = [v for v in features.data_vars.values() if v.dims[1:] == predictor.layout]
        if not fitting:
            raise ProtocolError(
                f"The network wants windows of {' x '.join(predictor.layout)}, and the recipe it was saved "
                "with makes none. Save it with the one that it was trained with."
            )
        X = fitting[0].drop_vars([name for name in fitting[0].coords if name != "channel"])[is_there]
    frame = pd.DataFrame({name: part.coordinates[name] for name in ("start", "duration", "quality")})
    return Predictions(_filled(frame, predictor, X, is_there), predictor)


def _as_known(eeg: Signal, origin: Origin, *, resample: bool) -> Signal:
    """Bring a recording to the channels and the rate that a network learned from, or refuse."""
    if lacking := [name for name in origin.ch_names if name not in eeg.ch_names]:
        raise DataError(
            f"The recording lacks {', '.join(lacking)}; it has {', '.join(eeg.ch_names)}. The network "
            f"learned from {', '.join(origin.ch_names)}."
        )
    eeg = eeg.pick(origin.ch_names)
    if eeg.unit != origin.unit:
        raise DataError(
            f"The recording is in {eeg.unit}, the network learned from {origin.unit}. If you know the scale, "
            "say so: signal.scaled(1e-6, unit='V')."
        )
    if math.isclose(eeg.sfreq, origin.sfreq, rel_tol=1e-6):
        return replace(eeg, sfreq=origin.sfreq)
    rates = f"The recording is sampled at {eeg.sfreq:g} Hz, the network learned from {origin.sfreq:g} Hz"
    if eeg.sfreq < origin.sfreq:
        raise DataError(
            f"{rates}: what lies above {eeg.sfreq / 2:g} Hz was not recorded. Use another network."
        )
    if not resample:
        raise DataError(f"{rates}. Resample it (--resample).")
    nothing = EEGCleaning(
        unusable=None, dc=False, band=None, bad_channels=None, reference=None, segments=None
    )
    try:
        return clean_eeg(eeg, replace(nothing, sfreq=origin.sfreq)).recording
    except ValueError as error:  # The rates are in no simple ratio.
        raise DataError(f"{rates}: {error}") from error


def _trial(eeg: Signal, origin: Origin, rest: float) -> Trial:
    if origin.recipe.baseline is not None and rest <= 0:
        raise DataError(
            f"The network's features are relative ({origin.recipe.baseline}) to the rest before: say how "
            "many seconds at the beginning of the recording are rest (--rest)."
        )
    if rest < 0 or rest >= eeg.duration:
        raise DataError(f"A recording of {eeg.duration:g} s cannot begin with {rest:g} s of rest.")
    return Trial(
        dataset="recording",
        subject="recording",
        trial="1",
        stimulus="",
        signals={"eeg": eeg.crop(rest, eeg.duration, onset=rest) if rest else eeg},
        baseline={"eeg": eeg.crop(0, rest)} if rest else None,
    )


def _filled(frame: pd.DataFrame, predictor: Predictor, X: Any, is_there: NDArray[np.bool_]) -> pd.DataFrame:
    """Add predictions to the windows that there are."""
    n_columns = max(1, len(predictor.classes))
    values = np.full((len(frame), n_columns), np.nan)
    if is_there.any():
        values[is_there] = predictor.predict(X)
    if not predictor.classes:
        frame["prediction"] = values[:, 0]
        return frame
    likeliest = np.array(predictor.classes, dtype=object)[np.nan_to_num(values).argmax(axis=1)]
    likeliest[~is_there] = None
    frame["prediction"] = likeliest
    for column, name in enumerate(predictor.classes):
        frame[f"p_{name}"] = values[:, column]
    return frame
