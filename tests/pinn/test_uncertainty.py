"""Intervals against recordings of which every part is known."""

from importlib import import_module

import numpy as np
import pytest

from physioaffect.errors import DataError
from physioaffect.pinn import Convex, Sudomotor, deconvolve, find_bursts, simulate_eda, uncertainty

Redrawing = import_module("physioaffect.pinn._redrawing").Redrawing


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"snr_db": 30},
        {"rate": 12},
        {"skin": Sudomotor(tau_rise=0.5, tau_decay=4.0)},
        # Noise that is taken for bursts, and a level that bends more than splines follow.
        {"snr_db": 10},
        {"drift": 0.2},
    ],
    ids=["20 dB", "30 dB", "many", "slow", "10 dB", "drift"],
)
def test_bands_cover_what_they_say(options):
    covered, widths, errors = [], [], []
    for seed in range(1000, 1003):
        made = simulate_eda(600, seed=seed, **options)
        skin = options.get("skin", Sudomotor())
        settings = Convex(tau_rise=skin.tau_rise, tau_decay=skin.tau_decay)
        found = deconvolve(made.eda, sfreq=4.0, settings=settings)
        band = uncertainty(found, n_refits=25, seed=seed)
        widths.append(np.sqrt(np.mean((band.tonic_high - band.tonic_low) ** 2)))
        errors.append(np.sqrt(np.mean((found.tonic - made.tonic) ** 2)))
        covered.append(
            [
                ((band.tonic_low < made.tonic) & (made.tonic < band.tonic_high)).mean(),
                ((band.phasic_low < made.phasic) & (made.phasic < band.phasic_high)).mean(),
            ]
        )
    of_tonic, of_phasic = np.mean(covered, axis=0)
    assert of_tonic >= 0.88
    assert of_phasic >= 0.88
    # And not by being as wide as the recording.
    assert np.median(widths) < 6 * np.median(errors)


def test_bursts_apart_lie_in_their_intervals():
    inside_time, inside_height = [], []
    for seed in range(3):
        made = simulate_eda(600, snr_db=20, seed=seed)
        found = deconvolve(made.eda, sfreq=4.0)
        bursts = find_bursts(found, threshold=0.02)
        band = uncertainty(found, bursts, n_refits=25)
        centres, heights = made.event_times + 0.25, made.event_areas * Sudomotor().peak
        for burst in np.flatnonzero(band.stability >= 0.5):
            distance = np.abs(centres - bursts.times[burst])
            event = distance.argmin()
            if distance[event] > 1 or np.sort(np.abs(centres - centres[event]))[1] < 2:
                continue
            inside_time.append(band.time_low[burst] < centres[event] < band.time_high[burst])
            inside_height.append(band.amplitude_low[burst] < heights[event] < band.amplitude_high[burst])
    assert len(inside_time) > 80
    assert 0.9 <= np.mean(inside_time) <= 1
    assert 0.9 <= np.mean(inside_height) <= 1


def test_they_are_wider_in_a_gap_and_at_a_higher_level_and_follow_the_unit():
    made = simulate_eda(600, seed=1, gaps=((250.0, 310.0),))
    found = deconvolve(made.eda, sfreq=4.0)
    narrow, wide = (uncertainty(found, n_refits=15, level=level) for level in (0.5, 0.95))
    width = wide.tonic_high - wide.tonic_low
    assert width[1110:1130].min() > 2 * np.median(width)
    assert (narrow.tonic_high - narrow.tonic_low < width).all()
    nano = deconvolve(made.eda * 0.01, sfreq=4.0)
    band = uncertainty(nano, n_refits=15)
    np.testing.assert_allclose(band.tonic_high - band.tonic_low, 0.01 * width, rtol=0.02)
    assert (band.driver_low >= 0).all()


def test_the_noise_is_that_which_was_put_in():
    made = simulate_eda(900, snr_db=20, seed=2)
    noise = np.std(made.phasic) * 0.1
    assert uncertainty(deconvolve(made.eda, sfreq=4.0), n_refits=10).noise == pytest.approx(noise, rel=0.15)


def test_the_size_of_bends_is_that_of_the_true_level():
    """Of the estimated level they are half as large: splines of 10 s are stiff."""
    seen, estimated, true = [], [], []
    for seed in range(4):
        made = simulate_eda(1200, seed=seed, drift=0.2)
        found = deconvolve(made.eda, sfreq=4.0)
        seen.append(np.std(np.diff(found.tonic[::40], 2)))
        true.append(np.std(np.diff(made.tonic[::40], 2)))
        estimated.append(Redrawing(found, np.random.default_rng(seed)).bend)
    assert np.mean(seen) < 0.6 * np.mean(true)
    assert np.mean(estimated) == pytest.approx(np.mean(true), rel=0.25)


def test_noise_alone_has_no_bursts_in_what_is_redrawn():
    rng = np.random.default_rng(0)
    level = 5 + 0.2 * np.sin(np.arange(2400) / 400)
    found = deconvolve(level + 0.02 * rng.standard_normal(2400), sfreq=4.0)
    redrawing = Redrawing(found, rng)
    assert redrawing.driver.sum() < 0.3 * found.driver.sum()
    np.testing.assert_allclose(
        found.phasic - redrawing.phasic,
        Sudomotor().respond(found.driver - redrawing.driver, sfreq=4.0),
        atol=1e-12,
    )


def test_impossible_settings_are_refused():
    found = deconvolve(simulate_eda(60).eda, sfreq=4.0)
    with pytest.raises(ValueError, match="n_refits from 10 on"):
        uncertainty(found, n_refits=3)
    with pytest.raises(ValueError, match="level between 0 and 1"):
        uncertainty(found, level=95)
    with pytest.raises(DataError, match="in pieces, some of them empty"):
        uncertainty(found._replace(tonic=np.full(240, np.nan)))
