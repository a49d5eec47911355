"""Tables of a stream: all of them have the same features, whose names need not be looked at again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from xarray.indexes import PandasIndex

from physioaffect.features.trial_table import TrialTable, join

__all__ = ["TableMaker"]


class TableMaker:
    """What `join` makes, in half of the time from the second table on."""

    def __init__(self) -> None:
        self._axes: xr.Coordinates | None = None

    def __call__(self, parts: Sequence[TrialTable]) -> xr.Dataset:
        """Put parts of one recording and one recipe below one another."""
        if self._axes is None:
            table = join(parts)
            self._axes = table.drop_dims("window").coords
            return table
        first = parts[0]
        columns = {
            name: parts[0].coordinates[name]
            if len(parts) == 1
            else np.concatenate([part.coordinates[name] for part in parts])
            for name in first.coordinates
        }
        number = PandasIndex(columns.pop("window"), "window")
        n_windows = len(number.index)
        variables = {
            name: xr.Variable("window", np.repeat([label], n_windows)) for name, label in first.labels.items()
        }
        variables |= number.create_variables()
        variables |= {name: xr.Variable("window", column) for name, column in columns.items()}
        coordinates = xr.Coordinates(
            {**variables, **self._axes.variables}, indexes={"window": number, **self._axes.xindexes}
        )
        values = {
            name: xr.Variable(
                one.dims,
                one.values
                if len(parts) == 1
                else np.concatenate([part.families[name].values for part in parts]),
                one.attrs,
            )
            for name, one in first.families.items()
        }
        return xr.Dataset(values, coords=coordinates)
