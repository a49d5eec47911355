"""Usual values of the parameters of classical models, from which a search chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.pipeline import Pipeline

from physioaffect.errors import ProtocolError

__all__ = ["GRIDS", "Grid", "usual_grid"]

Grid = Mapping[str, Sequence[Any]]

# Usual values by class of the model, the default first: of equally good ones the first is taken.
GRIDS: dict[str, Grid] = {
    "EvenLDA": {"shrinkage": ("auto", 0.01, 0.1, 0.5, 0.9)},
    "HistGradientBoostingClassifier": {"learning_rate": (0.1, 0.03), "max_leaf_nodes": (31, 7)},
    "HistGradientBoostingRegressor": {"learning_rate": (0.1, 0.03), "max_leaf_nodes": (31, 7)},
    "KNeighborsClassifier": {"n_neighbors": (1, 5, 15, 45)},
    "KNeighborsRegressor": {"n_neighbors": (1, 5, 15, 45)},
    "LogisticRegression": {"C": (1.0, 0.001, 0.01, 0.1, 10.0)},
    "RandomForestClassifier": {"min_samples_leaf": (1, 5, 20)},
    "RandomForestRegressor": {"min_samples_leaf": (1, 5, 20)},
    "Ridge": {"alpha": (1.0, 0.01, 100.0, 1e4, 1e6)},
    "SVC": {"C": (1.0, 0.1, 10.0, 100.0), "gamma": ("scale", 0.001)},
    "SVR": {"C": (1.0, 0.1, 10.0), "gamma": ("scale", 0.001)},
    "TangentLogistic": {"C": (1.0, 0.01, 0.1, 10.0)},
}


def usual_grid(model: Any) -> dict[str, Sequence[Any]]:
    """The values of ``GRIDS`` for a model, inside a pipeline or a wrapper, too.

    Parameters
    ----------
    model : estimator
        One whose last part is named in ``GRIDS``.

    Returns
    -------
    dict
        From parameters, as ``model.get_params`` names them, to values.

    Raises
    ------
    ProtocolError
        If its last part has no usual grid.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> list(usual_grid(make_pipeline(StandardScaler(), Ridge())))
    ['ridge__alpha']
    """
    prefix, last = "", model
    while True:
        if isinstance(last, Pipeline):
            name, last = last.steps[-1]
        elif type(last).__name__ not in GRIDS and hasattr(last, "model"):
            name, last = "model", last.model
        else:
            break
        prefix += f"{name}__"
    if type(last).__name__ not in GRIDS:
        raise ProtocolError(
            f"There is no usual grid for {type(last).__name__}; there is one for {', '.join(GRIDS)}. Pass "
            "Tuned(model, {parameter: values})."
        )
    return {f"{prefix}{name}": values for name, values in GRIDS[type(last).__name__].items()}
