"""The equation of electrodermal activity: simulated, inverted, learned.

This room knows nothing of data sets or evaluation.
"""

from physioaffect.pinn.bursts import Bursts, find_bursts
from physioaffect.pinn.deconvolution import Convex, Deconvolution, deconvolve
from physioaffect.pinn.simulation import SimulatedEDA, simulate_eda
from physioaffect.pinn.sudomotor import AffineEDA, Sudomotor
from physioaffect.pinn.time_constants import TimeConstants, estimate_time_constants

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
