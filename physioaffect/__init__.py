"""Emotion measured in the body: EEG, skin conductance and heart, evaluated without leakage.

Rooms, in the order in which they may import one another:

``recording``
    Signal, Events, Trial, Task, DataSet: what every reader yields and every step takes.
``windows``, ``signals``, ``devices``
    Windows in seconds; cleaning, one file a modality; readers of devices' files.
``datasets``
    The data sets, one file each, read as they are distributed.
``features``
    From trials to labelled features, one file a family.
``graphs``, ``pinn``
    Electrode graphs and networks; the equation of electrodermal activity.
``evaluation``
    Protocols, metrics, honest tables and reports.

Importing this package imports none of them, so whoever filters skin conductance loads nothing else.
"""

from importlib.metadata import version as _version

__version__ = _version("physioaffect")
__all__ = ["__version__"]
