"""The equation of electrodermal activity: simulated, inverted, learned.

This room knows nothing of data sets or evaluation. The network needs torch
(``pip install 'physioaffect[torch]'``), which is imported with the first name that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .bursts import Bursts, find_bursts
from .deconvolution import Convex, Deconvolution, deconvolve
from .network_inputs import usable_conditions
from .network_settings import PINNSettings
from .network_simulation import SimulatedConditions, simulate_conditions
from .pieces import deconvolve_in_pieces
from .simulation import SimulatedEDA, simulate_eda
from .sudomotor import AffineEDA, Sudomotor
from .time_constants import TimeConstants, estimate_time_constants
from .uncertainty import Uncertainty, uncertainty
from .uneven import OnGrid, place_on_grid

if TYPE_CHECKING:
    from .network import Identified, MultiTaskPINN
    from .network_baselines import SideBySide, eda_emotion_baselines
    from .network_saving import load_pinn, save_pinn

__all__ = [
    "AffineEDA",
    "Bursts",
    "Convex",
    "Deconvolution",
    "Identified",
    "MultiTaskPINN",
    "OnGrid",
    "PINNSettings",
    "SideBySide",
    "SimulatedConditions",
    "SimulatedEDA",
    "Sudomotor",
    "TimeConstants",
    "Uncertainty",
    "deconvolve",
    "deconvolve_in_pieces",
    "eda_emotion_baselines",
    "estimate_time_constants",
    "find_bursts",
    "load_pinn",
    "place_on_grid",
    "save_pinn",
    "simulate_conditions",
    "simulate_eda",
    "uncertainty",
    "usable_conditions",
]

# torch takes seconds and is an extra, scikit-learn half a second.
_LATER = {
    "Identified": "network_physics",
    "MultiTaskPINN": "network",
    "SideBySide": "network_baselines",
    "eda_emotion_baselines": "network_baselines",
    "load_pinn": "network_saving",
    "save_pinn": "network_saving",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f".{_LATER[name]}", __name__), name)
