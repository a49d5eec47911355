"""BIDS: tables of body signals by hand, in our units, within limits."""

import gzip
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.bids import read, write_physio

from physioaffect.datasets import Moment, World, bids, simulate_conductance


class TestPhysio:
    def test_columns_become_signals_in_our_units_cut_at_the_event(self, own):
        eda = simulate_conductance(World(), Moment(subject=0, trial=0, stimulus=0), sfreq=4, n_times=400)[0]
        columns = {
            "eda": 1e-3 * eda,
            "cardiac": np.arange(400.0),
            "trigger": np.zeros(400),
            "temperature": eda + 30,
        }
        columns["temperature"][41] = np.nan
        write_physio(own, columns, StartTime=-10.0, eda={"Units": "mS"}, temperature={"Units": "°C"})
        first = read(own)[0][0]
        assert_allclose(first.signal("eda").data[0], eda[80:140], atol=1e-5)
        assert (first.signal("eda").unit, first.signal("ppg").unit) == ("uS", "au")
        assert first.signal("temperature").unit == "degC"
        # StartTime -10 s: the event at 10 s is 20 s into the file.
        assert first.signal("ppg").data[0, 0] == 80.0
        assert first.signal("ppg").start == 0.0
        assert "trigger" not in first.signals

    def test_n_a_is_nan(self, own):
        values = np.arange(400.0)
        values[41] = np.nan
        write_physio(own, {"respiratory": values})
        resp = read(own)[0][0].signal("resp")
        assert np.flatnonzero(np.isnan(resp.data[0])).tolist() == [1]

    def test_a_set_of_physio_alone_is_a_data_set(self, tmp_path):
        (tmp_path / "dataset_description.json").write_text('{"Name": "Skin", "BIDSVersion": "1.9.0"}')
        write_physio(tmp_path, {"eda": np.linspace(1, 2, 400)}, eda={"Units": "uS"})
        dataset = bids(tmp_path)
        assert (dataset.title, dataset.sfreqs, dataset.window) == ("Skin", {"eda": 4.0}, 60.0)
        (trial,) = read(tmp_path)[0]
        assert trial.duration == 100.0

    def test_a_described_ecg_is_no_pulse(self, own):
        about = {"Description": "ECG lead II", "Units": "mV"}
        write_physio(own, {"cardiac": np.ones(400)}, cardiac=about)
        # The EEG file has an ECG of its own, which is the one kept.
        assert "ppg" not in read(own)[0][0].signals

    @pytest.mark.parametrize(
        ("sidecar", "sentence"),
        [
            ({"SamplingFrequency": 0}, "has SamplingFrequency 0, StartTime"),
            ({"StartTime": "soon"}, "StartTime 'soon'"),
            ({"Columns": "eda"}, "Columns 'eda'"),
            (
                {"Columns": ["eda", "b", "c"]},
                "1 columns and 400 rows of numbers; its sidecar names 3 columns",
            ),
        ],
    )
    def test_a_sidecar_that_does_not_fit_is_refused(self, own, sidecar, sentence):
        write_physio(own, {"eda": np.ones(400)}, **sidecar)
        _, exclusions = read(own)
        assert [item.subject for item in exclusions] == ["01"]
        assert sentence in exclusions[0].reason

    def test_a_missing_sidecar_or_a_damaged_file_is_refused(self, own):
        path = write_physio(own, {"eda": np.linspace(0, 1, 400)})
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        assert "cannot be unpacked" in read(own)[1][0].reason
        path.write_bytes(gzip.compress(b"onset\tduration\n1\t2\n"))
        assert "is no table of numbers" in read(own)[1][0].reason
        path.write_bytes(gzip.compress(b""))
        assert "is empty" in read(own)[1][0].reason
        (path.parent / "sub-01_task-clips_physio.json").unlink()
        assert "has no sidecar: expected sub-01_task-clips_physio.json" in read(own)[1][0].reason

    def test_a_small_file_that_expands_to_much_is_counted_before_memory_is_taken(self, own):
        path = write_physio(own, {"eda": np.ones(4)})
        path.write_bytes(gzip.compress(b"1\n" * (2**25 + 1)))
        assert path.stat().st_size < 100_000
        tracemalloc.start()
        (left,) = read(own)[1]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert f"has {2**25 + 1} rows, of which 1 columns would be kept; at most {2**25}" in left.reason
        assert peak < 30e6

    @pytest.mark.slow
    def test_a_long_file_takes_its_numbers_and_little_more(self, tmp_path):
        (tmp_path / "dataset_description.json").write_text('{"Name": "Skin"}')
        path = write_physio(tmp_path, {"eda": np.ones(4), "trigger": np.ones(4)})
        ramp = np.arange(1_500_000)
        path.write_bytes(gzip.compress(b"".join(b"%d\t1\r\n" % value for value in ramp.tolist()), 1))
        dataset = bids(tmp_path)
        tracemalloc.start()
        (trial,) = dataset.read(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        np.testing.assert_array_equal(trial.signal("eda").data[0], ramp)
        # Once as read and once as cut out, with their flags, and 2 x 16 bytes a line of one block.
        assert peak < 2 * 9 * len(ramp) + 15e6

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (b"1\n\n2\n", "has 1 empty lines between others"),
            (b"1\n" + b"\t" * 2**21, "a line has more than 65536 characters"),
            (b"1\n2\t3\n", "is no table of numbers"),
        ],
    )
    def test_an_uneven_table_is_refused(self, own, text, sentence):
        write_physio(own, {"eda": np.ones(4)}).write_bytes(gzip.compress(text))
        assert sentence in read(own)[1][0].reason

    def test_empty_lines_at_the_end_do_not_count(self, own):
        path = write_physio(own, {"eda": np.arange(400.0)})
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\n" * 2**21))
        assert read(own)[0][0].signal("eda").data[0, 0] == 40.0

    @pytest.mark.parametrize("tenth", range(10))
    def test_a_file_cut_at_any_tenth_is_refused(self, own, tenth):
        path = write_physio(own, {"eda": np.random.default_rng(0).random(400)})
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * tenth // 10])
        assert "cannot be unpacked" in (reason := read(own)[1][0].reason) or "is empty" in reason
