"""The equation of electrodermal activity: simulated, inverted, learned.

This room knows nothing of data sets or evaluation.
"""

from .bursts import Bursts, find_bursts
from .deconvolution import Convex, Deconvolution, deconvolve
from .simulation import SimulatedEDA, simulate_eda
from .sudomotor import AffineEDA, Sudomotor
from .time_constants import TimeConstants, estimate_time_constants

__all__ = [
    "AffineEDA",
    "Bursts",
    "Convex",
    "Deconvolution",
    "SimulatedEDA",
    "Sudomotor",
    "TimeConstants",
    "deconvolve",
    "estimate_time_constants",
    "find_bursts",
    "simulate_eda",
]
