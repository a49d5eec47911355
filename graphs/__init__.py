"""Electrode graphs and the networks on them.

This room knows nothing of data sets or evaluation. It holds no network yet.
"""

__all__: list[str] = []
