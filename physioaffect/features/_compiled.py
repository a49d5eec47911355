"""Moved to `physioaffect._compiled`."""

from physioaffect._compiled import compiled

__all__ = ["compiled"]
