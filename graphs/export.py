"""Fitted networks as ONNX, for machines without torch."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from physioaffect.errors import DataError
from physioaffect.features.origin import Origin
from physioaffect.training import ClassLoss
from physioaffect.training.quiet_exporter import quiet_exporter

from .estimators import NetworkClassifier, NetworkEstimator

__all__ = ["export_onnx"]

_FORMAT = 1


class _Readable(nn.Module):
    """A network whose outputs are read as its estimator reads them."""

    def __init__(self, estimator: NetworkEstimator) -> None:
        super().__init__()
        self.network = estimator.network_
        self.loss: ClassLoss | None = None
        if isinstance(estimator, NetworkClassifier):
            self.loss = cast("ClassLoss", estimator.training().loss)
            self.n_classes = len(estimator.classes_)

    def forward(self, x: Tensor) -> Tensor:
        """(n_windows, *window) -> (n_windows, n_classes) probabilities, or (n_windows,) numbers."""
        outputs: Tensor = self.network(x)
        return outputs[:, 0] if self.loss is None else self.loss.probabilities(outputs, self.n_classes)


def export_onnx(estimator: NetworkEstimator, path: Path | str, *, origin: Origin | None = None) -> Path:
    """Write a fitted network as ONNX, and beside it what its input and output mean.

    Parameters
    ----------
    estimator : NetworkClassifier or NetworkRegressor
        Fitted.
    path : path
        The file, named ``.onnx``; ``<path>.json`` is written beside it.
    origin : Origin, optional
        What it learned from; without it the command ``predict`` cannot make its windows.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If onnx and onnxscript are not installed, or the file has another suffix.
    sklearn.exceptions.NotFittedError
        If the network has not been fitted.

    Notes
    -----
    The input ``windows`` is float32, (n_windows, n_channels, n_last) for any number of windows, as they come:
    the standardisation is inside. The output is ``probabilities``, (n_windows, n_classes), or ``number``,
    (n_windows,). The JSON has ``ch_names``, ``sfreq``, ``layout``, ``classes`` (in the order of the
    probabilities), ``window`` (n_channels, n_last), ``origin`` (with the recipe) and the version.

    Examples
    --------
    >>> import tempfile
    >>> import onnxruntime
    >>> from physioaffect.graphs.linear import LinearClassifier
    >>> X = np.random.default_rng(0).normal(size=(32, 3, 2)).astype(np.float32)
    >>> model = LinearClassifier(epochs=1, batch_size=16, random_state=0).fit(X, X[:, 0, 0] > 0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = export_onnx(model, Path(folder) / "linear.onnx")
    ...     network = onnxruntime.InferenceSession(path)
    ...     [made] = network.run(None, {"windows": X})
    >>> bool(np.abs(made - model.predict_proba(X)).max() < 1e-5)
    True
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise DataError(f"A network is exported to a file named .onnx, got {path.name!r}. Rename it.")
    if not hasattr(estimator, "network_"):
        raise NotFittedError(f"This {type(estimator).__name__} has not been fitted: call fit first.")
    try:
        import onnxscript  # noqa: F401, PLC0415  Torch asks for it late, and in another way.
    except ImportError as error:
        raise DataError(
            "Exporting needs onnx and onnxscript, which are not installed: pip install 'physioaffect[onnx]'"
        ) from error
    is_classifier = isinstance(estimator, NetworkClassifier)
    output = "probabilities" if is_classifier else "number"
    shape = estimator.input_
    network = _Readable(estimator).train(False)
    example = (torch.zeros(2, shape.n_channels, shape.n_last),)
    shapes = ({0: torch.export.Dim("n_windows", min=1)},)
    with quiet_exporter():
        # By itself, because torch.onnx would fall back on a fixed number of windows without a word.
        program = torch.export.export(network, example, dynamic_shapes=shapes)
        exported = torch.onnx.export(
            program,
            example,
            input_names=["windows"],
            output_names=[output],
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    assert exported is not None  # As dynamo gives it.
    exported.save(path, external_data=False)
    classes = cast("NetworkClassifier", estimator).classes_.tolist() if is_classifier else []
    told: dict[str, Any] = {
        "format": _FORMAT,
        "physioaffect": version("physioaffect"),
        "network": type(estimator).__name__,
        "layout": estimator.layout,
        "window": [shape.n_channels, shape.n_last],
        "ch_names": shape.ch_names,
        "sfreq": shape.sfreq,
        "output": output,
        "classes": origin.named(classes) if origin is not None and is_classifier else classes,
        "origin": json.loads(origin.to_json()) if origin is not None else None,
    }
    beside = path.with_name(f"{path.name}.json")
    beside.write_text(json.dumps(told, indent=1, allow_nan=False), encoding="utf-8")
    return path
