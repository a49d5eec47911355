"""What every network refuses alike: a size below one, and windows of another size."""

from __future__ import annotations

from torch import Tensor

__all__ = ["check_sizes", "check_windows"]


def check_sizes(network: str, **sizes: int) -> None:
    """Raise a `ValueError` if one of the sizes of a network is below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{network} needs {name} of at least 1, got {size}.")


def check_windows(network: str, x: Tensor, n_channels: int, n_bands: int) -> None:
    """Raise a `ValueError` if windows are not (n_batch, n_channels, n_bands).

    Others would not always fail: one electrode is spread over all, and 4 x 14 numbers are as many as 14 x 4.
    """
    if x.shape[1:] != (n_channels, n_bands):
        raise ValueError(
            f"This {network} takes windows of {n_channels} electrodes x {n_bands} bands, got "
            f"{' x '.join(map(str, x.shape[1:]))}. Give it the electrodes and bands it was made for."
        )
