"""The equation of electrodermal activity: simulated, inverted, learned.

This room knows nothing of data sets or evaluation. It holds no model yet.
"""

__all__: list[str] = []
