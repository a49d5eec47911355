"""Models by name, with what is wrapped around them: ``coral+lda``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from physioaffect.data_set import Task
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.adaptation.calibration_centred import CalibrationCentred
from physioaffect.evaluation.adaptation.calibration_referenced import CalibrationReferenced
from physioaffect.evaluation.adaptation.coral import CORAL
from physioaffect.evaluation.adaptation.euclidean_alignment import EuclideanAligned
from physioaffect.evaluation.adaptation.imputed import Imputed
from physioaffect.evaluation.adaptation.transductive import PerSubjectScaled
from physioaffect.evaluation.models import get_model
from physioaffect.evaluation.models.tuned import tuned

__all__ = ["WRAPPERS", "named_model"]

WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "centred": CalibrationCentred,
    "coral": CORAL,
    "ea": EuclideanAligned,
    "imputed": Imputed,
    "referenced": CalibrationReferenced,
    "scaled": PerSubjectScaled,
    "tuned": tuned,
}


def named_model(name: str, task: Task) -> Any:
    """Build a model by name, and what is wrapped around it.

    Parameters
    ----------
    name : str
        As for `get_model`; before it, each followed by ``+``, names of ``WRAPPERS``, the outermost first:
        ``centred`` (`CalibrationCentred`), ``coral`` (`CORAL`), ``ea`` (`EuclideanAligned`),
        ``imputed`` (`Imputed`), ``referenced`` (`CalibrationReferenced`), ``scaled`` (`PerSubjectScaled`),
        ``tuned`` (`Tuned`, with the model's usual grid).
    task : Task
        As for `get_model`.

    Raises
    ------
    ProtocolError
        If there is no such model or wrapper.

    Examples
    --------
    >>> from physioaffect.datasets import EEGMAT
    >>> named_model("coral+lda", EEGMAT.tasks["arithmetic"]).__class__.__name__
    'CORAL'
    """
    *wrappers, last = name.split("+")
    if unknown := [wrapper for wrapper in wrappers if wrapper not in WRAPPERS]:
        raise ProtocolError(
            f"Nothing called {unknown[0]!r} can be wrapped around a model: use {', '.join(WRAPPERS)}, as in "
            f"coral+{last}."
        )
    model = get_model(last, task)
    for wrapper in reversed(wrappers):
        model = WRAPPERS[wrapper](model)
    return model
