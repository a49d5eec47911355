"""Validity from file to feature: which samples are not to be trusted, why, and what is left of a window.

`MarkQuality` flags the signals of a trial, `quality_table` sums the flags up per window, `quality_summary`
for a whole recording. The rules themselves are functions on arrays. Each looks at a stated stretch around a
sample only, so that a recording that comes in pieces gets the same flags.
"""

from physioaffect.signals.quality_eda import (
    EDARules,
    boettcher,
    eda_flags,
    impossible_changes,
    kleckner,
    open_circuit,
)
from physioaffect.signals.quality_marking import MarkQuality
from physioaffect.signals.quality_motion import (
    MotionRules,
    acceleration_clipped,
    acceleration_flags,
    motion_level,
    moving,
)
from physioaffect.signals.quality_samples import clipped, flat, missing, out_of_range, too_steep
from physioaffect.signals.quality_tables import (
    REASONS,
    SignalQuality,
    quality_summary,
    quality_table,
    unit_notes,
)
from physioaffect.signals.quality_temperature import TemperatureRules, settling_time, temperature_flags
from physioaffect.signals.quality_waves import WaveRules, wave_flags
from physioaffect.signals.quality_worn import OffBodyRules, PerSecond, off_body, per_second

__all__ = [
    "REASONS",
    "EDARules",
    "MarkQuality",
    "MotionRules",
    "OffBodyRules",
    "PerSecond",
    "SignalQuality",
    "TemperatureRules",
    "WaveRules",
    "acceleration_clipped",
    "acceleration_flags",
    "boettcher",
    "clipped",
    "eda_flags",
    "flat",
    "impossible_changes",
    "kleckner",
    "missing",
    "motion_level",
    "moving",
    "off_body",
    "open_circuit",
    "out_of_range",
    "per_second",
    "quality_summary",
    "quality_table",
    "settling_time",
    "temperature_flags",
    "too_steep",
    "unit_notes",
    "wave_flags",
]
