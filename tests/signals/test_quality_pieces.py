"""Flags of a recording that grows against those of the whole of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from physioaffect.recording import Events, Flag, Signal, Trial
from physioaffect.signals.quality_eda import EDARules
from physioaffect.signals.quality_marking import MarkQuality

DURATION = 2400


def day() -> Trial:
    """Forty minutes: settling, movement, an unworn stretch, a gap, a clipped pulse, late starts."""
    rng = np.random.default_rng(3)
    t = {sfreq: np.arange(DURATION * sfreq) / sfreq for sfreq in (4, 16, 32)}
    off = {sfreq: (times > 1100) & (times < 1400) for sfreq, times in t.items()}
    eda = 2 + np.sin(t[4] / 90) + 0.002 * rng.normal(size=t[4].size)
    eda[off[4]] = 0.0
    eda[4 * 700 : 4 * 702] += 5
    eda[4 * 1800 : 4 * 1860] = np.nan
    skin = 33 - 6 * np.exp(-t[4] / 100) + 0.01 * rng.normal(size=t[4].size)
    skin[off[4]] = 25 + 8 * np.exp(-(t[4][off[4]] - 1100) / 60)
    skin[4 * 1400 :] -= 5 * np.exp(-(t[4][4 * 1400 :] - 1400) / 90)
    acc = np.array([[0.0], [0.6], [0.8]]) + 0.003 * rng.normal(size=(3, t[32].size))
    acc[0] += 0.8 * np.sin(9 * t[32]) * ((t[32] % 300 > 270) & ~off[32])
    acc[:, 32 * 2000 : 32 * 2150] = acc[:, [32 * 2000]]
    ppg = np.exp(3 * np.cos(2 * np.pi * 1.1 * t[16]))
    ppg[16 * 500 : 16 * 510] = np.minimum(ppg[16 * 500 : 16 * 510], 10.0)

    def of(kind: str, x: np.ndarray, sfreq: float, unit: str, start: float = 0.0) -> Signal:
        x = np.atleast_2d(x)
        names = tuple(map(str, range(len(x))))
        return Signal(data=x, sfreq=sfreq, ch_names=names, kind=kind, unit=unit, start=start)

    return Trial(
        dataset="made",
        subject="1",
        trial="1",
        stimulus="none",
        elapsed=0.0,
        signals={
            "eda": of("eda", eda, 4.0, "uS", 0.37),
            "temperature": of("temperature", skin, 4.0, "degC"),
            "acc": of("acc", acc, 32.0, "g", -2.0),
            "ppg": of("ppg", ppg, 16.0, "au"),
            "hr": of("hr", np.full(DURATION - 20, 70.0), 1.0, "bpm", 10.0),
            "tags": Events(times=np.array([5.0]), values=np.ones(1), kind="tags"),
        },
    )


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (MarkQuality(), 4.0),
        (MarkQuality(), 47.3),
        (MarkQuality.quick(), 5.0),
        (MarkQuality(eda=EDARules(temperature=(30.0, 40.0)), motion=None, waves=None), 10.0),
    ],
)
def test_pieces_give_the_flags_of_the_whole(step: MarkQuality, seconds: float) -> None:
    trial = day()
    if seconds == 4.0:  # Enough of it.
        trial = replace(
            trial,
            signals={
                name: one.crop(900, 2300) if isinstance(one, Signal) else one
                for name, one in trial.signals.items()
            },
        )
    whole = step(trial)
    before, after = step.context
    in_pieces, done = step.in_pieces(), -math.inf
    found = {name: np.full(one.n_times, 255, np.uint8) for name, one in signals_of(trial)}
    for until in [*np.arange(seconds, DURATION + 10, seconds), math.inf]:
        known = until - after
        begin = done - before - 1
        cut = replace(trial, signals={name: one.crop(begin, until) for name, one in trial.signals.items()})
        made = in_pieces(cut, since=done, until=known)
        for name, one in signals_of(trial):
            piece = made[name]
            assert isinstance(piece, Signal)
            first = round((piece.start - one.start) * one.sfreq)
            at = one.start + (first + np.arange(piece.n_times)) / one.sfreq
            wanted = (at >= done - 1e-6) & (at < known - 1e-6)
            found[name][first + np.flatnonzero(wanted)] = piece.flags[wanted]
        done = known
    for name, one in signals_of(whole):
        assert_array_equal(found[name], one.flags, err_msg=name)
    if step == MarkQuality() and seconds > 4:
        seen = {flag for _, one in signals_of(whole) for flag in Flag if (one.flags & flag).any()}
        assert seen == {*Flag}


def signals_of(trial: Trial) -> list[tuple[str, Signal]]:
    return [(name, one) for name, one in trial.signals.items() if isinstance(one, Signal)]
