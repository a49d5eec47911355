"""Import torchaudio, which others do wherever it is installed, though it hears nothing here."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

__all__ = ["load_torchaudio"]


def load_torchaudio() -> None:
    """Import torchaudio if it is there, without its compiled part where that does not load.

    Its wheel on PyPI is built against CUDA's libraries and does not load beside a torch for the processor. It
    runs without that part where it finds none (decision 12). braindecode needs it; transformers imports it.
    """
    if find_spec("torchaudio") is None:
        return
    try:
        import_module("torchaudio")
    except OSError:
        without = ModuleType("torchaudio._extension")
        vars(without).update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, fail_if_no_align=lambda function: function)
        sys.modules[without.__name__] = without
        import_module("torchaudio")
