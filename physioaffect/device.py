"""Where to compute: on the processor, or on a graphics card where there is one."""

from __future__ import annotations

from typing import Literal, get_args

from physioaffect.errors import DataError, ProtocolError

__all__ = ["Device", "check_device", "resolve_device"]

Device = Literal["cpu", "cuda", "auto"]


def check_device(device: str) -> None:
    """Raise a `ValueError` if there is no such device; whether this machine has it is not asked.

    Examples
    --------
    >>> check_device("cuda")
    >>> check_device("gpu")
    Traceback (most recent call last):
    ValueError: Unknown device 'gpu': use one of cpu, cuda, auto.
    """
    if device not in get_args(Device):
        raise ValueError(f"Unknown device {device!r}: use one of {', '.join(get_args(Device))}.")


def resolve_device(device: Device) -> Literal["cpu", "cuda"]:
    """Say what a wish for a device comes to on this machine.

    Parameters
    ----------
    device : {"cpu", "cuda", "auto"}
        "auto" takes CUDA where torch is installed and finds it, and the processor elsewhere.

    Returns
    -------
    device : {"cpu", "cuda"}

    Raises
    ------
    DataError
        If CUDA is asked for and torch is not installed.
    ProtocolError
        If CUDA is asked for and torch finds none.

    Examples
    --------
    >>> resolve_device("cpu")
    'cpu'
    """
    check_device(device)
    if device == "cpu":
        return "cpu"
    try:
        import torch  # noqa: PLC0415  It is an extra, and takes two seconds.
    except ImportError as error:
        if device == "auto":
            return "cpu"
        raise DataError(
            "Computing on CUDA needs torch, which is not installed: pip install 'physioaffect[torch]'"
        ) from error
    if torch.cuda.is_available():
        return "cuda"
    if device == "auto":
        return "cpu"
    raise ProtocolError(
        f"The device 'cuda' was asked for, but torch {torch.__version__} finds none on this machine. Use "
        "'cpu', or 'auto', which takes CUDA only where there is one."
    )
