"""Torch's ONNX exporter without its notes to its own developers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from physioaffect.training.quiet_logger import errors_only

__all__ = ["quiet_exporter"]


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Keep torch's notes to its own developers, and to users of torchvision, from ours."""
    with errors_only("torch.onnx._internal.exporter._registration"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        yield
