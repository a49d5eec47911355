"""Features of a live recording: the same numbers as from the whole of it, window by window as they come."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.features._stream_buffers import EventBuffer, SampleBuffer
from physioaffect.features._stream_stages import (
    Buffers,
    Stage,
    context_of,
    cut_of,
    refuse_the_whole,
    rehearse,
)
from physioaffect.features._stream_tables import TableMaker
from physioaffect.features.recipe import Recipe
from physioaffect.features.stream_channels import StreamChannel, StreamEvents, channels_of
from physioaffect.features.trial_table import COVERAGE, LABELS, TrialTable, extent_of, families_of
from physioaffect.recording import Events, Signal, Trial
from physioaffect.windows import Intervals

__all__ = ["Stream", "StreamChannel", "StreamEvents", "channels_of"]

Chunk = NDArray[np.floating[Any]] | Signal | Events

_SLACK = 1e-6


class Stream:
    """Features of each window of a live recording as soon as all that they rest on has come.

    Parameters
    ----------
    recipe : Recipe
        Every step and every family of it must say by its ``context`` how many seconds around a moment it
        looks. No ``baseline``, ``smoothing`` or ``windows.last``.
    channels : mapping of str to StreamChannel or StreamEvents
        What will come, by the names that the recipe uses; at least one is sampled.
    every : float, optional
        Windows come in blocks of this many seconds of steps: work for many at once costs little more than for
        one. Default: one by one.
    clean_every : float
        The recipe's cleaning steps run once in so many seconds, which are then added to `latency`: each run
        costs much the same whatever it adds, because most of it is the surroundings. Default: whenever a
        window needs it.
    max_wait : float
        Seconds by which a signal may lag behind the one that is furthest. Then it is taken to be missing
        there (NaN, `Flag.GAP`), so that one that stops does not stop the others.
    trial : Trial, optional
        Who it is: its identifiers, ratings and ``elapsed`` go into the table, its signals do not.

    Raises
    ------
    PhysioaffectError
        If the recipe needs more than a piece of the recording.
    DataError
        If the recipe needs a signal that neither comes nor is made, or in another unit.
    ValueError
        If there is no sampled channel, or a setting is wrong.

    Notes
    -----
    **The same as the batch.** The features are those that ``features_of_trial`` gives for the whole
    recording, as far as steps and families keep what their ``context`` says: each runs on a piece that
    reaches so far around what is asked of it. Pieces are cut at the same times however the samples are cut
    into chunks, so chunks make no difference at all. Samples are taken as float64.

    **Latency.** A window comes out when every signal has reached its end plus the seconds that steps and
    families look ahead, which add up along the recipe: see `latency`. For live use choose settings that look
    ahead little: ``EDA(decompose="highpass_causal")``, ``MarkQuality(off_body=None)``.

    **Memory.** Each step keeps its signals as far back as it looks, see `memory`; nothing grows with the
    length of the recording.

    Examples
    --------
    >>> from physioaffect.features import Motion
    >>> from physioaffect.windows import Windowing
    >>> recipe = Recipe(windows=Windowing(duration=10, step=5), features=(Motion(),))
    >>> acc = StreamChannel(sfreq=32.0, ch_names=("x", "y", "z"), kind="acc", unit="g")
    >>> stream = Stream(recipe, {"acc": acc})
    >>> still = np.tile([[0.0], [0.6], [0.8]], 9 * 32)
    >>> stream.push({"acc": still}) is None
    True
    >>> stream.push({"acc": still}).start.values
    array([0., 5.])
    >>> stream.n_windows, stream.latency
    (2, 0.0)
    """

    def __init__(
        self,
        recipe: Recipe,
        channels: Mapping[str, StreamChannel | StreamEvents],
        *,
        every: float | None = None,
        clean_every: float = 0.0,
        max_wait: float = 60.0,
        trial: Trial | None = None,
    ) -> None:
        refuse_the_whole(recipe)
        windows = recipe.windows
        self._step = windows.duration if windows.step is None else windows.step
        if every is not None and not 0 < every < math.inf:
            raise ValueError(f"Windows come every so many seconds above 0, got every={every}.")
        if not 0 <= clean_every < math.inf:
            raise ValueError(f"Steps run every so many seconds, 0 or more, got clean_every={clean_every}.")
        if not max_wait > 0:
            raise ValueError(f"max_wait must be above 0 s, got {max_wait}.")
        self._sampled = {name: one for name, one in channels.items() if isinstance(one, StreamChannel)}
        if not self._sampled:
            raise ValueError("A stream needs a sampled channel: it is the clock that events do not give.")
        self.recipe, self.channels, self.max_wait = recipe, dict(channels), max_wait
        self.clean_every = clean_every if recipe.cleaning else 0.0
        self._block = max(1, math.ceil((every or 0) / self._step - _SLACK))
        self._families = [
            (replace(recipe, cleaning=(), features=(family,)), context_of(family, "family"))
            for family in recipe.features
        ]
        nobody = Trial(dataset="stream", subject="", trial="", stimulus="", signals={})
        self._trial = replace(trial or nobody, signals={}, baseline=None)
        self._labels: dict[str, str | float] = {name: getattr(self._trial, name) for name in LABELS}
        self._labels |= {"tags": "; ".join(self._trial.tags), **self._trial.ratings}
        rehearse(recipe, self._trial, channels)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next sample is the first of a new recording."""
        self._stages = [Stage(step) for step in self.recipe.cleaning]
        self._samples = {name: SampleBuffer(one.missing(0)) for name, one in self._sampled.items()}
        self._events = {
            name: EventBuffer(one.kind)
            for name, one in self.channels.items()
            if isinstance(one, StreamEvents)
        }
        # What came, and behind each step what it made of that.
        self._held: list[Buffers] = [{**self._samples, **self._events}, *({} for _ in self._stages)]
        # Up to when the steps have run, and up to when all is known behind the last of them.
        self._cleaned = self._known = -math.inf
        self._make_table = TableMaker()
        self._lost: set[str] = set()
        self._n_windows = self._n_late = 0
        self._is_over = False

    @property
    def n_windows(self) -> int:
        """Windows that have come so far; number k begins ``k * step`` seconds after the beginning."""
        return self._n_windows

    @property
    def n_late(self) -> int:
        """Samples that were left out, because they came after they had been taken to be missing."""
        return self._n_late

    @property
    def n_held(self) -> int:
        """Samples and events that are kept now, over all signals and steps."""
        return sum(buffer.n_held for held in self._held for buffer in held.values())

    @property
    def latency(self) -> float:
        """Seconds from the end of a window until it comes out, if no signal lags behind.

        What steps and families look ahead, the rest of a block and `clean_every`. If windows begin or end
        between the samples of a signal, one sample of it more.
        """
        return self._ahead + (self._block - 1) * self._step + self._delay

    @property
    def memory(self) -> float:
        """Seconds of each signal that are kept at most, over all steps together, besides one chunk."""
        block = self._block * self._step + 2
        before = max(family_before for _, (family_before, _) in self._families)
        kept = sum(stage.before + stage.after + block + self.clean_every for stage in self._stages)
        return (
            2 * (self.recipe.windows.duration + block + self._ahead)
            + before
            + kept
            + self._delay
            + self.max_wait
        )

    @property
    def _ahead(self) -> float:
        after = sum(stage.after for stage in self._stages) + max(after for _, (_, after) in self._families)
        times = self.recipe.windows.duration, self._step
        sampled = [*self._samples.values(), *self._held[-1].values()]
        over = max(buffer.overhang(*times) for buffer in sampled if isinstance(buffer, SampleBuffer))
        return after + over + self.clean_every

    @property
    def _delay(self) -> float:
        return max(
            (one.delay for one in self.channels.values() if isinstance(one, StreamEvents)), default=0.0
        )

    def push(self, chunks: Mapping[str, Chunk]) -> xr.Dataset | None:
        """Take the next samples and events, of any number of channels.

        Parameters
        ----------
        chunks : mapping of str to ndarray, Signal or Events
            An array of shape (n_channels, n_times) follows what came before; a `Signal` lies where its
            ``start`` says, and what is missing in between is NaN; its flags count. `Events` are later than
            those that came before.

        Returns
        -------
        features : xarray.Dataset or None
            Of the windows that are complete now, as `features_of_trial` makes them; None if there are none.

        Raises
        ------
        DataError
            If samples without a time follow a gap that `max_wait` made, or events come out of order.
        ValueError
            If a chunk does not fit its channel.
        """
        if self._is_over:
            raise PhysioaffectError("The stream is finished. Call reset() to begin a new recording.")
        # All of them first: of a push that is refused nothing is taken.
        for name, chunk in chunks.items():
            self._check(name, chunk)
        for name, chunk in chunks.items():
            self._take(name, chunk)
        self._stop_waiting()
        tables: list[TrialTable] = []
        # All samples and all events have come up to here.
        reached = min(buffer.stop for buffer in self._samples.values()) - self._delay
        while reached + _SLACK >= (until := self._until(self._block)):
            known = self._run(until)
            # Only now it is known how slow a signal is that a step makes.
            if until + _SLACK >= self._until(self._block):
                tables.append(self._table(self._block, known))
        return self._make_table(tables) if tables else None

    def finish(self) -> xr.Dataset | None:
        """End the recording, and give the windows that waited for what does not come any more.

        Returns
        -------
        features : xarray.Dataset or None
            As the end of what `features_of_trial` gives; None if there are no more windows.
        """
        if self._is_over:
            return None
        self._is_over = True
        if not any(buffer.n_seen for buffer in self._samples.values()):
            return None
        self._run(math.inf)
        signals = {
            name: buffer.whole for name, buffer in self._held[-1].items() if isinstance(buffer, SampleBuffer)
        }
        extent = extent_of(replace(self._trial, signals=signals), self.recipe.signals)
        n_left = len(self.recipe.windows.intervals(extent).starts) - self._n_windows
        return self._make_table([self._table(n_left, math.inf)]) if n_left > 0 else None

    def _check(self, name: str, chunk: Chunk) -> None:
        """Refuse a chunk that does not fit its channel."""
        if name not in self.channels:
            raise ValueError(f"No channel {name!r} was announced: there are {', '.join(self.channels)}.")
        if isinstance(chunk, Events) != (name in self._events):
            takes = "Events" if name in self._events else "an array or a Signal"
            raise ValueError(f"The channel {name!r} takes {takes}, got {type(chunk).__name__}.")
        if isinstance(chunk, Events):
            self._events[name].check(chunk)
            return
        like = self._sampled[name]
        if isinstance(chunk, Signal):
            for what in ("sfreq", "ch_names", "unit"):
                if getattr(chunk, what) != getattr(like, what):
                    raise ValueError(
                        f"The channel {name!r} was announced with {what}={getattr(like, what)!r}, got a "
                        f"signal with {getattr(chunk, what)!r}."
                    )
        elif chunk.ndim != 2 or len(chunk) != len(like.ch_names):
            raise ValueError(
                f"A chunk of {name!r} must be of shape (n_channels, n_times) with {len(like.ch_names)} "
                f"channels, got {chunk.shape}."
            )
        elif name in self._lost:
            raise DataError(
                f"The {name} lagged more than {self.max_wait:g} s behind and was taken to be missing up to "
                f"{self._samples[name].stop:g} s. Now say when its samples were: push a Signal with its "
                "start."
            )

    def _take(self, name: str, chunk: Chunk) -> None:
        if isinstance(chunk, Events):
            self._events[name].append(chunk)
        elif isinstance(chunk, Signal):
            self._n_late += self._samples[name].append_at(chunk)
            self._lost.discard(name)
        else:
            self._samples[name].append(chunk, np.zeros(chunk.shape[1], dtype=np.uint8))

    def _stop_waiting(self) -> None:
        """Fill what lags too far behind."""
        limit = max(buffer.stop for buffer in self._samples.values()) - self.max_wait
        for name, buffer in self._samples.items():
            n_missing = buffer.n_until(limit) - buffer.n_seen
            if n_missing > 0:
                buffer.append_missing(n_missing)
                self._lost.add(name)

    def _until(self, n_windows: int) -> float:
        """How far all signals must have come for so many more windows."""
        last = self._n_windows + n_windows - 1
        return self._step * last + self.recipe.windows.duration + self._ahead

    def _run(self, until: float) -> float:
        """Run the steps on what has come up to a time; tell up to when all is known behind the last."""
        if math.isinf(until) or until - self._cleaned >= self.clean_every - _SLACK:
            self._cleaned = self._known = until
            for stage, held, out in zip(self._stages, self._held, self._held[1:], strict=False):
                stage.run(self._trial, held, out, self._known)
                self._known -= stage.after
        return self._known

    def _table(self, n_windows: int, known: float) -> TrialTable:
        """Make the features of the next windows of all that is known up to a time."""
        held, number = self._held[-1], self._n_windows + np.arange(n_windows)
        intervals = Intervals(self._step * number.astype(np.float64), self.recipe.windows.duration)
        families: dict[str, xr.DataArray] = {}
        covered: dict[str, NDArray[np.float64]] = {}
        for recipe, (before, _) in self._families:
            begin = math.floor(intervals.starts[0] - before)
            own = cut_of(held, recipe.signals, begin, known)
            values, shares = families_of(replace(self._trial, signals=own), recipe, intervals)
            families |= values
            covered |= shares
        self._n_windows += n_windows
        furthest = max(before for _, (before, _) in self._families)
        for buffer in held.values():
            buffer.forget(math.floor(self._step * self._n_windows - furthest) - 1)
        return TrialTable(
            families, self._coordinates(number, intervals, covered), self._labels, intervals, None
        )

    def _coordinates(
        self, number: NDArray[np.intp], intervals: Intervals, covered: Mapping[str, NDArray[np.float64]]
    ) -> dict[str, NDArray[Any]]:
        elapsed = math.nan if self._trial.elapsed is None else self._trial.elapsed
        return {
            "window": number,
            "start": intervals.starts,
            "duration": np.full(len(number), intervals.duration),
            "elapsed": elapsed + intervals.starts,
            "quality": np.min([*covered.values()], axis=0),
            **{f"{COVERAGE}{name}": share for name, share in covered.items()},
        }
