"""Models compared over data sets, by their ranks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.statistics import CriticalDifference, critical_difference
from physioaffect.evaluation.sweeps.comparable import Loaded

__all__ = ["ERRORS", "ranks_over_data_sets"]

# Metrics of which less is better.
ERRORS = ("rmse",)


def ranks_over_data_sets(
    table: pd.DataFrame, runs: Sequence[Loaded]
) -> tuple[dict[str, CriticalDifference | str], list[str]]:
    """Compare models over data sets, protocol by protocol.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of models, as in `Comparisons`.
    runs : sequence of Loaded
        They tell which names stand for the same data set.

    Returns
    -------
    ranks : dict of str to CriticalDifference or str
        By protocol; or why there is none. A data set with several tasks counts once, with their mean.
    warnings : list of str
        Models that are left out because a data set lacks them.
    """
    ranks: dict[str, CriticalDifference | str] = {}
    warnings: list[str] = []
    names: dict[str, set[str]] = {}
    for one in runs:
        names.setdefault(one.data_name, set()).add(one.label)
    for key, part in table.groupby("protocol", sort=False):
        protocol, here = str(key), set(part["dataset"])
        same = [sorted(labels & here) for labels in names.values() if len(labels & here) > 1]
        if same:
            ranks[protocol] = (
                f"No critical difference: {' and '.join(same[0])} are the same data set, which would count "
                "more than once."
            )
            continue
        if part["metric"].nunique() > 1:
            ranks[protocol] = "No critical difference: the tasks have different metrics. Name one."
            continue
        wide = part.pivot_table(index="dataset", columns="model", values="mean", sort=False)
        everywhere = wide.dropna(axis="columns")
        try:
            ranks[protocol] = critical_difference(
                everywhere, higher_is_better=part["metric"].iloc[0] not in ERRORS
            )
        except (DataError, ProtocolError) as error:
            ranks[protocol] = str(error)
            continue
        if lacking := [str(model) for model in wide if model not in everywhere]:
            warnings.append(
                f"Not ranked over data sets under {protocol}, since not every data set has them: "
                f"{', '.join(lacking)}."
            )
    return ranks, warnings
