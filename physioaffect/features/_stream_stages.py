"""The parts of a stream: cleaning steps that run on a moving piece, and how far each part looks around."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from physioaffect.errors import PhysioaffectError
from physioaffect.features._stream_buffers import EventBuffer, SampleBuffer
from physioaffect.features.recipe import Family, Recipe, Step
from physioaffect.features.stream_channels import StreamChannel, StreamEvents
from physioaffect.features.trial_table import coverage_of
from physioaffect.recording import Events, Signal, Trial
from physioaffect.windows import Intervals

__all__ = ["Buffers", "Stage", "context_of", "cut_of", "refuse_the_whole", "rehearse"]

Buffers = dict[str, SampleBuffer | EventBuffer]

_INSTEAD = {
    "eda": "EDA(decompose='highpass') or EDA(decompose='highpass_causal')",
    "eda_heart": "EDAHeartCoupling(decompose='highpass') or decompose='highpass_causal'",
    "de": "StreamingEntropy, which is causal",
    "beats": "BeatsFromECG or BeatsFromPPG, for the one that is recorded",
    "ecg_beats": "BeatsFromECG(keeps_own_rate=False)",
    "ppg_beats": "BeatsFromPPG(keeps_own_rate=False)",
}
_KNOWN = (
    "one that says it, such as MarkQuality, BeatsFromPPG, BeatsFromECG, EDA, HRV, Motion, Temperature or "
    "Respiration"
)


def context_of(part: Step | Family, what: str) -> tuple[float, float]:
    """Seconds before and after that a step or a family needs; refused if it does not say or needs all."""
    context: Any = getattr(part, "context", None)
    instead = _INSTEAD.get(part.name, _KNOWN)
    if context is None:
        raise PhysioaffectError(
            f"A stream cannot run the {what} {part.name!r}: it does not say how much of the recording around "
            f"a moment it needs (it has no `context`). Use {instead}."
        )
    before, after = map(float, context)
    if math.isinf(before + after):
        raise PhysioaffectError(
            f"A stream cannot run the {what} {part.name!r}: with these settings each moment depends on all "
            f"of the recording (its `context` is infinite). Use {instead}."
        )
    return before, after


def refuse_the_whole(recipe: Recipe) -> None:
    """Refuse what depends on the end of a recording."""
    for wish, why in (
        (recipe.windows.last is not None, "Windowing(last=...) counts from the end; leave it None"),
        (recipe.baseline is not None, "a baseline is a rest before the trial; leave baseline=None"),
        (bool(recipe.smoothing), "smoothing looks at the whole trial; leave smoothing=() and smooth later"),
    ):
        if wish:
            raise PhysioaffectError(f"A stream does not know the recording as a whole: {why}.")


def cut_of(buffers: Buffers, names: Iterable[str], start: float, stop: float) -> dict[str, Signal | Events]:
    """Cut the signals of these names."""
    return {name: buffers[name].cut(start, stop) for name in names}


def rehearse(recipe: Recipe, trial: Trial, channels: Mapping[str, StreamChannel | StreamEvents]) -> None:
    """Run everything once on missing samples: what does not fit is refused now, and compiled is what must be.

    Raises
    ------
    DataError
        If a signal is lacking or in another unit.
    """
    n_seconds = recipe.windows.duration
    trial = replace(trial, signals={name: one.missing(n_seconds) for name, one in channels.items()})
    for step in recipe.cleaning:
        trial = step(trial)
    for name in recipe.signals:
        if name not in trial.signals:
            trial.signal(name)  # Raises the sentence that says what there is.
    for family in recipe.features:
        family(trial, Intervals(np.zeros(1), n_seconds))
        coverage_of(family, trial, Intervals(np.zeros(1), n_seconds))


@runtime_checkable
class InPieces(Protocol):
    """A step that knows how to go on, instead of beginning anew with each piece."""

    def in_pieces(self) -> Piecewise:
        """Make what is called for one piece after the other, in order of time."""
        ...


class Piecewise(Protocol):
    """What such a step is in a stream."""

    def __call__(self, trial: Trial, *, since: float, until: float) -> Mapping[str, Signal | Events]:
        """Make the signals of [since, until), or more of them, which is not looked at."""
        ...


class Stage:
    """A cleaning step that runs again and again on the newest piece of its signals."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.before, self.after = context_of(step, "step")
        self.done = -math.inf
        self._piecewise = step.in_pieces() if isinstance(step, InPieces) else None

    def run(self, trial: Trial, held: Buffers, out: Buffers, until: float) -> None:
        """Take what is ``held``, complete up to a time, and add to ``out`` what can be known from it."""
        # At whole seconds of each signal, so that a rate made of one has the same instants in every piece.
        begin = self.done - self.before
        cut = {name: buffer.cut(buffer.second_before(begin), until) for name, buffer in held.items()}
        known = until - self.after
        trial = replace(trial, signals=cut)
        if self._piecewise is None:
            made = self.step(trial).signals
        else:
            made = self._piecewise(trial, since=self.done, until=known)
        add_parts(out, made, self.done, known, self.step.name)
        self.done = known
        if known < math.inf:
            for buffer in held.values():
                buffer.forget(known - self.before - 1)


def add_parts(
    out: Buffers, made: Mapping[str, Signal | Events], since: float, until: float, maker: str
) -> None:
    """Add to each buffer what of its signal lies in [since, until)."""
    for name, whole in made.items():
        if isinstance(whole, Signal):
            buffer = out.setdefault(name, SampleBuffer(whole))
            assert isinstance(buffer, SampleBuffer)
            buffer.append_part(whole, until, maker)
        else:
            events = out.setdefault(name, EventBuffer(whole.kind))
            assert isinstance(events, EventBuffer)
            events.append_part(whole, since, until)
