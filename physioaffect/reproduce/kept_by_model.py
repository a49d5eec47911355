"""What a published network leaves to the model that it wraps."""

from __future__ import annotations

from typing import Any

__all__ = ["kept_by_model"]

_KEPT = ("ch_names", "device", "patience", "random_state")


def kept_by_model(estimator: Any, name: str) -> Any:
    """``__getattr__`` of an estimator whose ``model`` keeps what is kept for all networks.

    Raises
    ------
    AttributeError
        For any other name.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> class Published:
    ...     __getattr__ = kept_by_model
    ...     model = SimpleNamespace(device="cpu", epochs=3)
    >>> Published().device, hasattr(Published(), "epochs")
    ('cpu', False)
    """
    if name in _KEPT:
        return getattr(estimator.model, name)
    raise AttributeError(f"{type(estimator).__name__} has no {name}.")
