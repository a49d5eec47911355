"""From a device's file to tables and a figure of skin conductance: the command eda."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from physioaffect.cli_eda import eda as command
from physioaffect.devices.any_file import read_device
from physioaffect.devices.session import DeviceSession
from physioaffect.eda_analysis import analyse_eda
from physioaffect.eda_files import burst_table, sample_table, summary, write_eda
from physioaffect.eda_plots import plot_eda, plot_eda_masks, plot_parameters, plot_residual
from physioaffect.errors import DataError
from physioaffect.pinn import Convex, Sudomotor, deconvolve, find_bursts, simulate_eda
from physioaffect.recording import Flag, Signal

APP = typer.Typer()
APP.command()(command)
BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MAP = 'device = "BIOPAC"\n[[signals]]\nname = "eda"\ncolumns = ["EDA"]\nunit = "uS"\nsfreq = 100\n'


def session(data, *, sfreq=4.0, unit="uS", flags=None, kind="eda"):
    signal = Signal(
        data=np.atleast_2d(np.asarray(data, float)),
        sfreq=sfreq,
        ch_names=("X",),
        kind=kind,
        unit=unit,
        flags=flags,
    )
    return DeviceSession("made", BEGIN, None, {kind: signal})


@pytest.fixture(scope="module")
def recording():
    return simulate_eda(900, snr_db=25, seed=4)


@pytest.fixture(scope="module")
def clean(recording):
    return analyse_eda(session(recording.eda), n_refits=10)


def matched(one, other, *, within=0.5):
    return sum(np.abs(other - time).min() <= within for time in one) if len(other) else 0


class TestWhatIsDisturbed:
    """A bump, the band off, one missing sample, a gap: masked with the reason, the rest unchanged."""

    @pytest.mark.parametrize(
        ("disturb", "where", "reasons"),
        [
            (lambda x: x.__setitem__(slice(1500, 1508), x[1500:1508] + 5), (1500, 1508), {"motion"}),
            (lambda x: x.__setitem__(slice(1200, 2400), 0.0), (1200, 2400), {"off_body", "out_of_range"}),
            (lambda x: x.__setitem__(1500, np.nan), (1500, 1501), {"gap"}),
            (lambda x: x.__setitem__(slice(1500, 1700), np.nan), (1500, 1700), {"gap"}),
        ],
        ids=["bump", "band off", "one NaN", "gap"],
    )
    def test_it_is_masked_and_the_rest_stays(self, recording, clean, disturb, where, reasons):
        eda = recording.eda.copy()
        disturb(eda)
        found = analyse_eda(session(eda), n_refits=0)
        used, inside = found.found.is_present, slice(*where)
        assert not used[inside].any()
        table = sample_table(found)
        assert table.loc[~used, "tonic_uS"].isna().all()
        told = set("+".join(table["reason"].astype(str)[inside]).split("+"))
        assert told & reasons
        # Away from what is masked.
        masked = np.flatnonzero(~used)
        masked = masked[masked >= 240]
        near = np.arange(masked.min() - 120, masked.max() + 120)
        far = used.copy()
        far[near] = False
        scale = np.ptp(recording.eda)
        for name in ("tonic", "phasic"):
            change = getattr(found.found, name) - getattr(clean.found, name)
            assert np.abs(change[far]).max() < 0.01 * scale
        kept = [
            one.peak_times[(one.peak_times < near[0] / 4) | (one.peak_times > near[-1] / 4)]
            for one in (clean.bursts, found.bursts)
        ]
        assert matched(kept[0], kept[1]) >= 0.95 * len(kept[0])
        assert abs(len(kept[0]) - len(kept[1])) <= 0.1 * len(kept[0])


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("made", "message"),
        [
            (session(np.full(2000, 3.0)), "3 uS throughout"),
            (session(simulate_eda(300).eda * 1000), r"more than skin conducts .* in nS, multiply by 0.001"),
            (session(simulate_eda(300).eda * 1e-6), "If it is in S, multiply by 1e6"),
            (session(simulate_eda(300).eda - 9), "conductance is not negative"),
            (session(simulate_eda(300).eda, unit="au"), "'au'"),
            (session(simulate_eda(80).eda[:100]), "Nothing of this .* before the electrodes had settled"),
            (session(simulate_eda(85).eda), "Only 25.0 s .* before the electrodes had settled"),
            (session(np.full(2000, np.nan)), "Nothing of this recording's skin conductance can be used"),
            (session(simulate_eda(300).eda * 0.002), "poor contact below 0.05 uS"),
            (session(np.ones(900), sfreq=0.5), "0.5 Hz cannot be taken apart"),
            (session(np.ones(900), kind="ppg", unit="au"), "has no skin conductance; it has ppg"),
        ],
    )
    def test_it_says_why_and_how_to_mend_it(self, made, message):
        with pytest.raises(DataError, match=message):
            analyse_eda(made)

    def test_options_that_make_no_sense(self, recording):
        with pytest.raises(DataError, match="threshold must be above 0"):
            analyse_eda(session(recording.eda), threshold=0)
        with pytest.raises(DataError, match="10 refits or more"):
            analyse_eda(session(recording.eda), n_refits=3)


class TestOwnConstants:
    def test_they_are_used_where_the_recording_tells_them(self):
        made = simulate_eda(600, skin=Sudomotor(tau_rise=0.7, tau_decay=3.5), snr_db=30, seed=1)
        found = analyse_eda(session(made.eda), own_constants=True, n_refits=0)
        assert found.are_own
        told = summary(found)["time_constants"]
        assert told["are_own"]
        assert told["tau_decay_s"] == pytest.approx(3.5, rel=0.1)
        low, high = told["estimate"]["decay_interval_s"]
        assert low <= told["tau_decay_s"] <= high

    def test_the_usual_ones_are_used_where_they_are_doubted_and_all_say_so(self, recording, tmp_path):
        noise = np.random.default_rng(0).standard_normal(3600) * 0.1
        found = analyse_eda(session(recording.eda + noise), own_constants=True, n_refits=0)
        assert not found.are_own
        assert found.found.settings == Convex()
        [note] = [note for note in found.notes if "time constants" in note]
        assert "not to be believed, the usual 0.7 and 2 s were used. Reason: " in note
        assert "which hides how they rise" in note
        told = summary(found)["time_constants"]
        assert (told["are_own"], told["tau_rise_s"], told["tau_decay_s"]) == (False, 0.7, 2.0)
        assert told["estimate"]["doubts"]
        with pytest.MonkeyPatch.context() as patch:
            titles = []
            patch.setattr("physioaffect.eda_plots.plot_eda", lambda *_, title, **__: titles.append(title))
            patch.setattr("physioaffect.eda_files._saved", lambda *_: {})
            write_eda(found, tmp_path, plot=True)
        assert "not to be believed" in titles[0]

    def test_too_few_responses_leave_the_usual_ones(self):
        made = simulate_eda(200, rate=1, snr_db=30, seed=3)
        found = analyse_eda(session(made.eda), own_constants=True, n_refits=0)
        assert (found.constants, found.found.settings) == (None, Convex())
        assert any("responses to learn time constants from; it takes 10" in note for note in found.notes)


class TestTables:
    def test_bursts_have_times_heights_and_intervals(self, clean):
        table = burst_table(clean)
        assert len(table) == len(clean.bursts.times)
        assert (table["amplitude_uS"] >= 0.05).all()
        first = table.iloc[0]
        assert abs((first["peak_utc"] - pd.Timestamp(BEGIN)).total_seconds() - first["peak_s"]) < 0.001
        known = table.dropna()
        assert (known["burst_low_s"] <= known["burst_s"]).all()
        assert (known["burst_s"] <= known["burst_high_s"]).all()

    def test_samples_add_up_where_they_were_used(self, clean):
        table = sample_table(clean)
        used = table[table["is_used"]]
        total = used["tonic_uS"] + used["phasic_uS"] + used["residual_uS"]
        np.testing.assert_allclose(total, used["eda_uS"], atol=1e-9)
        assert (table["reason"] == "")[table["is_used"]].all()
        assert (table["reason"] == "settling").sum() == 240

    def test_files_can_be_read_again(self, clean, tmp_path):
        files = write_eda(clean, tmp_path / "new" / "folder", plot=True)
        assert set(files) == {"bursts", "samples", "settings", "png", "pdf"}
        assert len(pd.read_csv(files["bursts"])) == len(clean.bursts.times)
        assert len(pd.read_parquet(files["samples"])) == 3600
        told = json.loads(files["settings"].read_text())
        assert told == json.loads(json.dumps(summary(clean)))
        assert told["settings"]["scale"] == clean.found.scale
        assert files["png"].stat().st_size > 10_000

    def test_700_Hz_come_down_with_their_flags(self):
        made = simulate_eda(120, sfreq=700.0, seed=1, snr_db=40)
        flags = np.zeros(84_000, dtype=np.uint8)
        flags[56_000:57_400] = Flag.MOTION
        found = analyse_eda(session(made.eda, sfreq=700.0, flags=flags), n_refits=0)
        table = sample_table(found)
        assert len(table) == 1920
        assert set(table["reason"][1281:1311]) == {"motion"}
        assert "Brought down from 700 to 16 Hz." in found.notes


class TestCommand:
    def test_a_real_e4_export(self, real_data, tmp_path):
        file = real_data / "realdata" / "stress_predict" / "S05_E4.zip"
        result = CliRunner().invoke(APP, [str(file), "-o", str(tmp_path), "--plot", "--refits", "10"])
        assert result.exit_code == 0, result.output
        assert "Empatica E4: 54.6 min of skin conductance, 94% used" in result.output
        assert "Masked: 3.8% motion." in result.output
        bursts = pd.read_csv(tmp_path / "bursts.csv")
        assert 2 < bursts["is_seen"].sum() / 54.6 < 15
        assert bursts["burst_utc"][0].startswith("2022-02-14 09:13")
        assert (tmp_path / "eda.pdf").exists()

    def test_an_embraceplus_without_contact_is_refused_in_a_sentence(self, real_data, tmp_path):
        file = real_data / "realdata" / "embraceplus" / "test_data.avro"
        result = CliRunner().invoke(APP, [str(file), "-o", str(tmp_path / "out")])
        assert result.exit_code == 2
        said = " ".join(result.output.split())
        assert "Nothing of this recording's skin conductance can be used." in said
        assert "100% is outside of what skin conducts (poor contact below 0.05 uS)" in said
        assert "samples.parquet tells of each sample why it was not used; --plot draws it." in said
        samples = pd.read_parquet(tmp_path / "out" / "samples.parquet")
        recorded = read_device(file).signals["eda"]
        assert isinstance(recorded, Signal)
        np.testing.assert_array_equal(samples["eda_uS"], recorded.data[0])
        assert not samples["is_used"].any()
        assert samples["reason"].str.contains("out_of_range").all()
        assert samples["eda_uS"].between(0.018, 0.034).all()
        assert samples["utc"].is_monotonic_increasing
        # With a picture of why.
        result = CliRunner().invoke(APP, [str(file), "-o", str(tmp_path / "out"), "--plot"])
        assert result.exit_code == 2
        assert "eda.png shows it." in " ".join(result.output.split())
        assert {path.name for path in (tmp_path / "out").iterdir()} == {
            "eda.png", "eda.pdf", "samples.parquet"
        }  # fmt: skip

    def test_the_record_of_a_biopac_shows_all_of_its_responses(self, real_data, tmp_path):
        (tmp_path / "map.toml").write_text(MAP)
        file = real_data / "realdata" / "neurokit" / "bio_eventrelated_100hz.csv"
        options = ["--map", str(tmp_path / "map.toml"), "--settled", "--refits", "0", "--json"]
        result = CliRunner().invoke(APP, [str(file), "-o", str(tmp_path / "out"), *options])
        assert result.exit_code == 0, result.output
        assert json.loads(result.output)["coverage"] == 1
        peaks = pd.read_csv(tmp_path / "out" / "bursts.csv")["peak_s"].to_numpy()
        # As read off the recording by eye.
        seen = np.array([15.1, 23.1, 27.6, 47.6, 50.6, 70.2, 73.2, 122.0, 132.5, 147.2])
        assert matched(seen, peaks, within=1.2) == len(seen)


class TestPlots:
    def test_masks_are_told_by_reason(self, recording):
        flags = np.zeros(3600, dtype=np.uint8)
        flags[1000:1200], flags[2000:2100] = Flag.MOTION, Flag.GAP
        found = analyse_eda(session(recording.eda, flags=flags), n_refits=0)
        figure = plot_eda(found.found, bursts=found.bursts, signal=found.signal, title="made")
        legend = figure.axes[0].get_legend()
        assert legend is not None
        labels = {text.get_text() for text in legend.get_texts()}
        assert {"recorded", "tonic", "motion", "gap", "settling"} <= labels
        with pytest.raises(ValueError, match="Pass the same recording"):
            plot_eda(found.found, signal=replace(found.signal.crop(0, 60)))

    def test_responses_are_marked_on_the_curve_where_they_overlap(self):
        made = simulate_eda(120, rate=30, seed=1)
        found = deconvolve(made.eda, sfreq=4.0)
        bursts = find_bursts(found, threshold=0.05)
        [marks] = [
            line for line in plot_eda(found, bursts=bursts).axes[1].lines if line.get_label() == "response"
        ]
        on_curve = np.interp(bursts.peak_times, np.arange(480) / 4, found.phasic)[bursts.is_seen]
        np.testing.assert_allclose(np.asarray(marks.get_ydata()), on_curve)
        assert (on_curve - bursts.amplitudes[bursts.is_seen]).max() > 0.3

    def test_a_refused_recording_has_a_row_for_each_reason(self):
        data = np.full(2400, 0.02)
        data[100:200] = np.nan
        flags = np.full(2400, Flag.OUT_OF_RANGE, dtype=np.uint8)
        flags[100:200] = np.uint8(Flag.GAP)
        flags[:50] |= np.uint8(Flag.SETTLING)
        signal = session(data, flags=flags).signals["eda"]
        figure = plot_eda_masks(signal, title="dry")
        assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == [
            "gap",
            "out of range",
            "settling",
        ]
        legend = figure.axes[0].get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == [
            "masked",
            "least that is believed of skin, 0.05 µS",
        ]

    def test_long_recordings_keep_their_peaks_in_few_points(self):
        eda = np.tile(simulate_eda(3600, seed=1).eda, 6)
        found = deconvolve(eda, sfreq=4.0)
        figure = plot_eda(found)
        line = next(line for line in figure.axes[0].lines if line.get_label() == "recorded")
        assert np.size(line.get_xdata()) < 10_000
        assert np.nanmax(np.asarray(line.get_ydata())) == pytest.approx(eda.max())
        assert figure.axes[-1].get_xlabel() == "time [h]"

    def test_white_residuals_stay_inside_their_range(self, clean):
        figure = plot_residual(clean.found, noise=0.02)
        assert [ax.get_ylabel() for ax in figure.axes] == [
            "residual [µS]",
            "SD in 60 s [µS]",
            "autocorrelation",
        ]

    def test_parameters_have_a_panel_each(self):
        rows = [
            {"parameter": name, "unit": "s", "subject": f"S{n}", "fold": fold, "estimate": n + 1.0}
            for name in ("tau_rise", "tau_decay")
            for n in range(5)
            for fold in (1, 2)
        ]
        table = pd.DataFrame(rows).assign(low=0.5, high=6.5)
        figure = plot_parameters(table, truth={"tau_rise": 2.0})
        assert [ax.get_ylabel() for ax in figure.axes] == ["tau_rise [s]", "tau_decay [s]"]
        with pytest.raises(DataError, match="lacks fold"):
            plot_parameters(table.drop(columns="fold"))
        with pytest.raises(DataError, match="no rows"):
            plot_parameters(table.iloc[:0])
