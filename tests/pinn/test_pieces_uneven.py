"""Long recordings in pieces, and samples that were not taken evenly."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from physioaffect.errors import DataError
from physioaffect.pinn import (
    Convex,
    Sudomotor,
    deconvolve,
    deconvolve_in_pieces,
    find_bursts,
    place_on_grid,
    simulate_eda,
)


@pytest.fixture(scope="module")
def recording():
    return simulate_eda(2400, seed=5)


class TestPieces:
    def test_they_are_as_the_whole(self, recording):
        whole = deconvolve(recording.eda, sfreq=4.0)
        joined = deconvolve_in_pieces(recording.eda, sfreq=4.0, piece=300.0)
        size = np.ptp(recording.eda)
        assert np.abs(joined.tonic - whole.tonic).max() < 1e-6 * size
        assert np.abs(joined.phasic - whole.phasic).max() < 1e-6 * size
        theirs, ours = find_bursts(whole), find_bursts(joined)
        assert_allclose(ours.times, theirs.times, atol=0.01)
        assert_allclose(ours.amplitudes, theirs.amplitudes, rtol=0.01)

    def test_what_is_empty_is_nan_and_the_rest_stays(self, recording):
        eda = recording.eda.copy()
        eda[3000:7000] = np.nan
        joined = deconvolve_in_pieces(eda, sfreq=4.0, piece=120.0)
        assert np.isnan(joined.tonic[4500:5500]).all()
        assert np.isfinite(joined.tonic[:3000]).all()
        assert np.isfinite(find_bursts(joined).amplitudes).all()
        before = deconvolve(eda[:3000], sfreq=4.0, settings=Convex(scale=joined.scale))
        assert_allclose(joined.tonic[:3000], before.tonic, atol=1e-5 * np.ptp(recording.eda))

    def test_what_is_beyond_the_context_hardly_matters(self, recording):
        settings = Convex(scale=0.2)
        assert settings.context == (120.0, 120.0)
        assert Convex().context == (np.inf, np.inf)
        assert Convex(scale=0.2, tonic="cvxeda").context == (np.inf, np.inf)
        size = np.ptp(recording.eda)
        whole = deconvolve(recording.eda, sfreq=4.0, settings=settings)
        # In step with the knots, and not.
        for first, most in ((4000, 1e-6), (4018, 5e-4)):
            part = deconvolve(recording.eda[first : first + 2000], sfreq=4.0, settings=settings)
            for name in ("tonic", "phasic"):
                change = getattr(part, name) - getattr(whole, name)[first : first + 2000]
                assert np.abs(change[480:-480]).max() < most * size

    def test_impossible_settings_are_refused(self, recording):
        with pytest.raises(ValueError, match="tonic='curvature'"):
            deconvolve_in_pieces(recording.eda, sfreq=4.0, settings=Convex(tonic="cvxeda"))
        with pytest.raises(ValueError, match="a minute or more"):
            deconvolve_in_pieces(recording.eda, sfreq=4.0, piece=5)


class TestUneven:
    def made(self, *, snr_db=25):
        fine = simulate_eda(600, sfreq=64.0, seed=7, snr_db=None)
        rng = np.random.default_rng(0)
        idx = np.unique(np.cumsum(rng.integers(8, 25, size=3000)))
        idx = idx[idx < len(fine.eda)]
        noise = np.std(fine.phasic) * 10 ** (-snr_db / 20) if snr_db else 0.0
        return fine, idx, fine.eda[idx] + noise * rng.standard_normal(len(idx))

    def test_the_error_is_within_its_bound(self):
        fine, idx, values = self.made(snr_db=None)
        grid = place_on_grid(idx / 64, values, sfreq=8.0)
        at = np.flatnonzero(grid.weights)
        truth = fine.eda[np.minimum(idx[0] + at * 8, len(fine.eda) - 1)]
        h, slope = 1 / 8, np.abs(np.diff(fine.eda)).max() * 64
        assert np.abs(grid.eda[at] - truth).max() <= h / 2 * slope
        has = grid.weights > 0
        between = has[1:-1] & has[:-2] & has[2:]
        bend = np.abs(np.diff(fine.eda, 2)).max() * 64**2
        error = np.abs(grid.eda[1:-1] - fine.eda[idx[0] + np.arange(1, len(has) - 1) * 8])
        assert error[between].max() <= h**2 / 2 * bend

    def test_even_samples_stay_as_they_are(self):
        eda = simulate_eda(60).eda
        grid = place_on_grid(1e9 + np.arange(240) / 4, eda, sfreq=4.0)
        assert_allclose(grid.eda, eda, atol=1e-6)
        assert (grid.weights == 1).all()
        assert grid.start == 1e9

    def test_bursts_are_found_from_uneven_samples(self):
        fine, idx, values = self.made()
        grid = place_on_grid(idx / 64, values, sfreq=8.0)
        found = deconvolve(grid.eda, sfreq=8.0, weights=grid.weights)
        truth = np.interp(
            np.arange(len(found.phasic)) / 8 + grid.start, np.arange(len(fine.eda)) / 64, fine.phasic
        )
        assert np.corrcoef(found.phasic, truth)[0, 1] > 0.98

    def test_a_weight_of_two_is_a_sample_taken_twice(self):
        made = simulate_eda(300, seed=3)
        settings = Convex(scale=0.2)
        twice = deconvolve(made.eda, sfreq=4.0, settings=settings, weights=np.full(1200, 2.0))
        halved = Convex(scale=0.2, sparsity=settings.sparsity / 2, smoothness=settings.smoothness / 2)
        assert_allclose(twice.tonic, deconvolve(made.eda, sfreq=4.0, settings=halved).tonic, atol=1e-5)
        nothing = np.ones(1200)
        nothing[400:420] = 0
        hidden = np.where(nothing > 0, made.eda, np.nan)
        weighted = deconvolve(made.eda, sfreq=4.0, settings=settings, weights=nothing)
        assert_allclose(weighted.tonic, deconvolve(hidden, sfreq=4.0, settings=settings).tonic, atol=1e-9)

    def test_a_short_burst_on_the_grid_keeps_its_height(self):
        driver = np.zeros(64 * 120)
        driver[64 * 60] = 64.0
        eda = 5 + Sudomotor().respond(driver, sfreq=64.0)
        rng = np.random.default_rng(1)
        idx = np.unique(rng.integers(0, len(eda), size=900))
        grid = place_on_grid(idx / 64, eda[idx] + 1e-3 * rng.standard_normal(len(idx)), sfreq=8.0)
        found = find_bursts(deconvolve(grid.eda, sfreq=8.0, weights=grid.weights), threshold=0.05)
        assert_allclose(found.amplitudes, Sudomotor().peak, rtol=0.08)
        assert_allclose(found.times + grid.start, 60, atol=0.15)

    @pytest.mark.parametrize(
        ("times", "values", "error", "message"),
        [
            ([0, 1], [1.0], ValueError, r"must be \(n_samples,\)"),
            ([0, 1, 1], [1.0, 2, 3], DataError, "increase from sample to sample"),
            ([0, 1], [np.nan, np.nan], DataError, "No sample is present"),
        ],
    )
    def test_what_cannot_be_placed_is_refused(self, times, values, error, message):
        with pytest.raises(error, match=message):
            place_on_grid(np.array(times, float), np.array(values), sfreq=4.0)
        with pytest.raises(ValueError, match="sfreq must be above 0"):
            place_on_grid(np.arange(3.0), np.ones(3), sfreq=0)

    def test_weights_that_do_not_fit_are_refused(self):
        with pytest.raises(ValueError, match="weights must be from 0 on"):
            deconvolve(simulate_eda(60).eda, sfreq=4.0, weights=-np.ones(240))
