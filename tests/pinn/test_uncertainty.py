"""Intervals against recordings of which every part is known."""

import numpy as np
import pytest

from physioaffect.errors import DataError
from physioaffect.pinn import Convex, Sudomotor, deconvolve, find_bursts, simulate_eda, uncertainty


@pytest.mark.parametrize(
    ("options", "tonic", "phasic"),
    [
        ({}, (0.85, 1.0), (0.85, 1.0)),
        ({"snr_db": 30}, (0.85, 1.0), (0.85, 1.0)),
        ({"rate": 12}, (0.85, 1.0), (0.85, 1.0)),
        ({"skin": Sudomotor(tau_rise=0.5, tau_decay=4.0)}, (0.85, 1.0), (0.85, 1.0)),
        # Where the page says that they are too narrow.
        ({"snr_db": 10}, (0.7, 0.95), (0.75, 0.95)),
        ({"drift": 0.2}, (0.7, 0.95), (0.7, 0.95)),
    ],
)
def test_bands_cover_what_they_say(options, tonic, phasic):
    covered = []
    for seed in range(3):
        made = simulate_eda(600, seed=seed, **options)
        skin = options.get("skin", Sudomotor())
        settings = Convex(tau_rise=skin.tau_rise, tau_decay=skin.tau_decay)
        band = uncertainty(deconvolve(made.eda, sfreq=4.0, settings=settings), n_refits=25, seed=seed)
        covered.append(
            [
                ((band.tonic_low < made.tonic) & (made.tonic < band.tonic_high)).mean(),
                ((band.phasic_low < made.phasic) & (made.phasic < band.phasic_high)).mean(),
            ]
        )
    of_tonic, of_phasic = np.mean(covered, axis=0)
    assert tonic[0] <= of_tonic <= tonic[1]
    assert phasic[0] <= of_phasic <= phasic[1]


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


def test_impossible_settings_are_refused():
    found = deconvolve(simulate_eda(60).eda, sfreq=4.0)
    with pytest.raises(ValueError, match="n_refits from 10 on"):
        uncertainty(found, n_refits=3)
    with pytest.raises(ValueError, match="level between 0 and 1"):
        uncertainty(found, level=95)
    with pytest.raises(DataError, match="in pieces, some of them empty"):
        uncertainty(found._replace(tonic=np.full(240, np.nan)))
