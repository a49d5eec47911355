"""Heart rate variability of real hearts: as NeuroKit2 where definitions agree, and what gaps cost."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.beats import events_of, trial_of, without

from physioaffect.devices.empatica import read_e4
from physioaffect.features.hrv import HRV
from physioaffect.recording import Events
from physioaffect.signals.cardiac import r_peaks
from physioaffect.windows import Intervals, Windowing


def test_it_agrees_with_neurokit_on_a_real_heart(real_data: Any) -> None:
    neurokit = pytest.importorskip("neurokit2")
    table = pd.read_csv(real_data / "realdata" / "neurokit" / "bio_resting_5min_100hz.csv")
    peak_idx = r_peaks(table["ECG"].to_numpy(), sfreq=100.0)
    trial = trial_of(ibi=events_of(np.diff(peak_idx) / 100, start=peak_idx[0] / 100))
    row = HRV(domains=("time", "nonlinear"))(trial, Intervals(np.zeros(1), 300.0))
    found = dict(zip(row["hrv_feature"].values.tolist(), row.values[0].tolist(), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = pd.concat(
            [f(peak_idx, sampling_rate=100) for f in (neurokit.hrv_time, neurokit.hrv_nonlinear)], axis=1
        )
    expected = {name.removeprefix("HRV_"): float(value) for name, value in peer.iloc[0].items()}
    same = {
        "mean_nn": "MeanNN", "sdnn": "SDNN", "rmssd": "RMSSD", "sdsd": "SDSD", "cvnn": "CVNN", "cvsd": "CVSD",
        "median_nn": "MedianNN", "mad_nn": "MadNN", "iqr_nn": "IQRNN", "sd1": "SD1", "sd2": "SD2",
        "sd1_sd2": "SD1SD2", "csi": "CSI", "cvi": "CVI", "porta": "PI", "sample_entropy": "SampEn",
    }  # fmt: skip
    for ours, theirs in same.items():
        assert found[ours] == pytest.approx(expected[theirs], rel=2e-6), ours
    n = len(peak_idx) - 2
    assert found["pnn50"] == pytest.approx(expected["pNN50"] * (n + 1) / n)
    assert found["guzik"] == pytest.approx(100 * expected["C1d"])
    # Boxes that overlap, and fewer sizes of them.
    assert found["dfa_alpha1"] == pytest.approx(expected["DFA_alpha1"], abs=0.03)


def e4_beats(real_data: Any, subject: str) -> Events:
    ibi = read_e4(real_data / "realdata" / "stress_predict" / f"{subject}_E4.zip").signals["ibi"]
    assert isinstance(ibi, Events)
    return ibi


def test_it_agrees_with_neurokit_where_a_wristband_lost_beats(real_data: Any) -> None:
    neurokit = pytest.importorskip("neurokit2")
    ibi = e4_beats(real_data, "S06")
    trial, windows = trial_of(ibi=ibi), Windowing(duration=60, step=90).intervals(ibi.times[-1])
    family = HRV(domains=("time",))
    rows = family(trial, windows)
    share = family.coverage(trial, windows)
    assert ((share > 0.8) & (share < 0.95)).sum() > 5
    for start in windows.starts[share >= 0.8]:
        is_inside = (ibi.times - ibi.values >= start) & (ibi.times < start + 60)
        own = {"RRI": 1e3 * ibi.values[is_inside], "RRI_Time": ibi.times[is_inside]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = neurokit.hrv_time(own, sampling_rate=1000).iloc[0]
        row = rows.isel(window=int(np.flatnonzero(windows.starts == start)[0]))
        for ours, theirs in {"mean_nn": "MeanNN", "sdnn": "SDNN", "rmssd": "RMSSD", "sdsd": "SDSD"}.items():
            assert float(row.sel(hrv_feature=ours)) == pytest.approx(peer[f"HRV_{theirs}"], rel=1e-9)


def test_a_fifth_of_the_beats_can_be_missed(real_data: Any) -> None:
    """Of minutes that lack next to nothing, runs of 4 s are taken until four fifths are left."""
    rng = np.random.default_rng(0)
    family = HRV(domains=("time",))
    errors = []
    for subject in ("S05", "S06", "S07", "S13", "S24"):
        ibi = e4_beats(real_data, subject)
        windows = Windowing(duration=60, step=30).intervals(ibi.times[-1])
        whole = family(trial_of(ibi=ibi), windows).sel(hrv_feature=["rmssd", "sdnn"])
        for row in np.flatnonzero(family.coverage(trial_of(ibi=ibi), windows) > 0.95):
            window = Intervals(windows.starts[[row]], 60.0)
            left = ibi
            while True:
                begin = window.starts[0] + rng.uniform(0, 60)
                fewer = without(left, np.flatnonzero((left.times > begin) & (left.times < begin + 4)))
                if family.coverage(trial_of(ibi=fewer), window)[0] < 0.8:
                    break
                left = fewer
            found = family(trial_of(ibi=left), window).sel(hrv_feature=["rmssd", "sdnn"])
            errors.append(np.abs(found.values[0] / whole.values[row] - 1))
    assert len(errors) > 40
    assert (np.median(errors, axis=0) < 0.06).all()
    assert (np.quantile(errors, 0.95, axis=0) < 0.2).all()
