"""Channels that have no features where others have: said, because a NaN says nothing."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physioaffect.data_set import Exclusion

__all__ = ["channels_without_values"]

_MOST_NAMES = 6


def channels_without_values(table: xr.Dataset) -> list[Exclusion]:
    """Name the channels of one person's table that lack a family throughout a trial in which others have it.

    Parameters
    ----------
    table : xarray.Dataset
        As `features_of_trial` makes it, of one person and any number of trials.

    Returns
    -------
    exclusions : list of Exclusion
        One for each family and number of trials, all of them expected: such a channel is flat or has no
        usable sample, and its values are NaN.

    Examples
    --------
    >>> from physioaffect.features import Hjorth, Recipe, features_of_trial
    >>> from physioaffect.recording import Signal, Trial
    >>> from physioaffect.windows import Windowing
    >>> data = 1e-5 * np.random.default_rng(0).normal(size=(3, 1280))
    >>> data[1] = 3e-6
    >>> eeg = Signal(data=data, sfreq=128.0, ch_names=("F3", "Fz", "F4"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> table = features_of_trial(trial, Recipe(windows=Windowing(duration=2), features=(Hjorth(),)))
    >>> channels_without_values(table)[0].reason.split(":")[0]
    'Fz has no hjorth in 1 of 1 trial, where other channels have'
    """
    subject = str(table["subject"].values[0])
    names = list(zip(table["session"].values, table["trial"].values, strict=True))
    of_trial = [np.array([name == one for name in names]) for one in dict.fromkeys(names)]
    found = []
    for family, values in table.data_vars.items():
        if "channel" not in values.dims or values.dtype.kind != "f" or not np.isnan(values.values).any():
            continue
        others = [dim for dim in values.dims if dim not in ("window", "channel")]
        is_there = values.notnull().any(others).transpose("window", "channel").values
        # By trial and channel. A trial in which no channel has a value lacks them, as its coverage tells.
        is_lost = np.array([~is_there[own].any(axis=0) & is_there[own].any() for own in of_trial])
        n_lost = is_lost.sum(axis=0)
        for number in sorted(set(n_lost) - {0}, reverse=True):
            lost = [str(name) for name in values["channel"].values[n_lost == number]]
            listed = ", ".join(lost) if len(lost) <= _MOST_NAMES else f"{len(lost)} channels"
            has, trials = "has" if len(lost) == 1 else "have", "trial" if len(of_trial) == 1 else "trials"
            reason = (
                f"{listed} {has} no {family} in {number} of {len(of_trial)} {trials}, where other channels "
                "have: flat, or without a usable sample. Interpolate what is bad (--clean, EEGCleaning), or "
                "leave the channel out."
            )
            found.append(Exclusion(subject=subject, reason=reason, expected=True))
    return found
