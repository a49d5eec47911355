"""Published systems run under their own protocols and under honest ones, one file a system.

This room needs torch (``pip install 'physioaffect[torch]'``) for systems that are networks.
"""

from __future__ import annotations

from physioaffect.reproduce.histn import HISTN
from physioaffect.reproduce.neurogaze import NEUROGAZE
from physioaffect.reproduce.pinn import PINN
from physioaffect.reproduce.rbtransformer import RBTRANSFORMER_SYSTEM
from physioaffect.reproduce.running import Reproduction, reproduce
from physioaffect.reproduce.values import Evaluation, Published, Request, Row, System
from physioaffect.reproduce.wears import WEARS
from physioaffect.reproduce.wesad import WESAD_SYSTEM

__all__ = ["SYSTEMS", "Evaluation", "Published", "Reproduction", "Request", "Row", "System", "reproduce"]

SYSTEMS = {
    system.name: system for system in (HISTN, NEUROGAZE, PINN, RBTRANSFORMER_SYSTEM, WEARS, WESAD_SYSTEM)
}
"""All systems by name."""
