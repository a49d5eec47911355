"""Windows on the device where a network is trained; nothing is loaded while it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physioaffect.device import resolve_device
from physioaffect.errors import DataError
from physioaffect.windows import Windows

__all__ = ["Source"]

# Variance over mean square; recordings in float32 resolve no less.
_CONSTANT = 1e-12


class Source:
    """Windows of one shape that are gathered by row on a device.

    Of raw windows only the recordings are kept, so that overlap costs nothing.

    Parameters
    ----------
    parts : sequence of array-like or Windows
        Windows, (n_windows, ...) each; their rows are counted through.
    device : torch.device
        Where they are kept, as float32.

    Raises
    ------
    DataError
        If there are NaN or infinite numbers, or the parts' windows differ in shape.
    ProtocolError
        If the device is CUDA and torch finds none.
    """

    def __init__(self, parts: Sequence[Any], device: torch.device) -> None:
        shapes = {tuple(part.shape[1:]) for part in parts}
        if len(shapes) > 1:
            raise DataError(
                f"Windows must have one shape, got {' and '.join(map(str, sorted(shapes)))} (windows of "
                "training, validation and target)."
            )
        if device.type == "cuda":
            # Torch would say so by an AssertionError.
            resolve_device("cuda")
        self.window_shape: tuple[int, ...] = next(iter(shapes))
        self.trials: NDArray[np.intp] | None = None
        self.starts: NDArray[np.intp] | None = None
        # First sample of each raw window in all recordings joined.
        self._first: Tensor | None = None
        self._sums: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        if all(isinstance(part, Windows) for part in parts):
            self._keep_recordings(parts, device)
        else:
            table = np.concatenate([np.asarray(part) for part in parts], dtype=np.float32, casting="unsafe")
            _refuse_missing(~np.asarray(np.isfinite(table).all(axis=tuple(range(1, table.ndim)))))
            self._table = torch.from_numpy(table).to(device)

    @property
    def device(self) -> torch.device:
        """Where the windows are."""
        return self._table.device

    def __len__(self) -> int:
        return len(self._table) if self._first is None else len(self._first)

    def _keep_recordings(self, parts: Sequence[Windows], device: torch.device) -> None:
        # The same trial may be in several parts, and must then be one trial.
        known: dict[int, int] = {}
        recordings: list[NDArray[np.float32]] = []
        trials, starts = [], []
        for part in parts:
            own = part.recordings
            for recording in own:
                if id(recording) not in known:
                    known[id(recording)] = len(recordings)
                    recordings.append(recording)
            number = np.array([known[id(recording)] for recording in own])
            trials.append(number[part.places[:, 0]])
            starts.append(part.places[:, 1])
        self.trials, self.starts = np.concatenate(trials), np.concatenate(starts)
        used = np.unique(self.trials)
        first = np.zeros(len(recordings), dtype=np.intp)
        first[used] = np.cumsum([0, *(recordings[number].shape[1] for number in used[:-1])])
        joined = np.concatenate([recordings[number] for number in used], axis=1)
        # Only what lies in a window matters; recordings may well have gaps between them.
        is_missing = [~np.isfinite(recordings[number]).all(axis=0) for number in used]
        n_missing = np.cumsum(np.concatenate([[False], *is_missing]))
        begin = first[self.trials] + self.starts
        _refuse_missing(n_missing[begin + self.window_shape[-1]] > n_missing[begin])
        self._table = torch.from_numpy(joined).to(device).unfold(1, self.window_shape[-1], 1)
        self._first = torch.from_numpy(begin).to(device)

    def moments(self, rows: NDArray[np.intp], *, over_time: bool) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over windows: of each of their numbers, or of each channel.

        Parameters
        ----------
        rows : ndarray of int
            The windows.
        over_time : bool
            Whether the samples of a channel count as one sample more each.

        Returns
        -------
        mean, deviation : Tensor, float64, on the processor
            Of the shape of a window; (n_channels, 1) over time.
        """
        if not over_time:
            own = self.gather(torch.from_numpy(rows).to(self._table.device)).double()
            return own.mean(dim=0).cpu(), own.std(dim=0, correction=0).cpu()
        if self._sums is None:
            self._sums = self._sums_of_windows()
        first, second = (part[rows].mean(axis=0) / self.window_shape[-1] for part in self._sums)
        variance = second - first**2
        # Of a constant channel rounding leaves a little, above zero or below.
        deviation = np.sqrt(np.where(variance > _CONSTANT * second, variance, 0.0))
        return torch.from_numpy(first)[:, None], torch.from_numpy(deviation)[:, None]

    def _sums_of_windows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sums and sums of squares of each window, (n_windows, n_channels) each."""
        totals: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
        for begin in range(0, len(self), 512):
            rows = torch.arange(begin, min(begin + 512, len(self)))
            windows = self.gather(rows.to(self._table.device)).double()
            for total, part in zip(totals, (windows, windows.square()), strict=True):
                total.append(part.sum(dim=-1).cpu().numpy())
        return np.concatenate(totals[0]), np.concatenate(totals[1])

    def gather(self, rows: Tensor, shifts: Tensor | None = None) -> Tensor:
        """Windows at these rows, ``(...,) -> (..., *window)``, begun ``shifts`` samples later."""
        if self._first is None:
            # An epoch of many windows takes 5 to 10 % less than with indexing.
            chosen = self._table.index_select(0, rows.flatten())
            return chosen.reshape(*rows.shape, *self.window_shape)
        first = self._first[rows]
        if shifts is not None:
            first = first + shifts
        return self._table[:, first].movedim(0, -2)


def _refuse_missing(bad: NDArray[np.bool_]) -> None:
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} of {len(bad)} windows have values that are NaN or infinite, the first at "
            f"row {int(bad.argmax())}. Leave these windows out."
        )
