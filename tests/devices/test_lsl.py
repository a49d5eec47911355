"""Live streams, for real: an outlet in this process and an inlet on the same machine."""

import gc
import time
import uuid
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("pylsl", reason="live streams are an extra", exc_type=ImportError)

import pylsl

from physioaffect.devices.lsl import LslQuery, connect_lsl
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal


@pytest.fixture(scope="module", autouse=True)
def _own_network():
    """Streams of this process see each other and nobody else, on whatever ports are free."""
    pylsl.set_config_content(
        f"[multicast]\nResolveScope = machine\n[lab]\nSessionID = {uuid.uuid4().hex}\n[log]\nlevel = -2\n"
    )
    try:
        outlet = pylsl.StreamOutlet(pylsl.StreamInfo("probe", "Probe", 1, 0, "float32", "probe"))
        if not pylsl.resolve_byprop("name", "probe", timeout=5):
            pytest.skip("this machine does not let LSL find a stream on it")
    except RuntimeError as error:
        pytest.skip(f"this machine refuses the sockets of LSL: {error}")
    del outlet


def outlet(name, kind, channels, sfreq, format_="float32", source=None):
    info = pylsl.StreamInfo(name, kind, len(channels), sfreq, format_, source or uuid.uuid4().hex)
    about = info.desc().append_child("channels")
    for label, type_, unit in channels:
        channel = about.append_child("channel")
        for key, text in (("label", label), ("type", type_), ("unit", unit)):
            channel.append_child_value(key, text)
    return pylsl.StreamOutlet(info)


EDA = [("GSR", "", "nanosiemens")]


def push(out, samples, last):
    """Send samples (n_times, n_channels), the last of which was taken at ``last``."""
    out.push_chunk(np.asarray(samples, dtype=np.float32).tolist(), last)


def collect(receiver, n_times, name, seconds=30.0):
    """Pull until so many samples of a signal are there; the other chunks are kept, too."""
    chunks, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        chunks += receiver.pull()
        if sum(chunk.data.n_times for chunk in chunks if chunk.name == name) >= n_times:
            return chunks
        time.sleep(0.01)
    raise AssertionError(f"only {chunks} came")


def joined(chunks, name):
    parts = [chunk.data for chunk in chunks if chunk.name == name]
    for before, after in pairwise(parts):
        assert_allclose(after.start, before.stop, atol=1e-9)
    return np.concatenate([part.data for part in parts], axis=1), np.concatenate(
        [part.flags for part in parts]
    )


def test_chunks_follow_each_other_in_our_units_with_markers_on_the_same_clock():
    wrist, task = outlet("wrist", "GSR", EDA, 32), outlet("task", "Markers", [("m", "", "")], 0, "string")
    with connect_lsl(LslQuery(name="wrist"), LslQuery(type="Markers", name="task"), timeout=30) as receiver:
        assert receiver.names == ("eda", "tags")
        now = pylsl.local_clock()
        values = np.arange(160.0)[:, None]
        for first in range(0, 160, 16):
            push(wrist, values[first : first + 16], now + (first + 15) / 32)
        task.push_sample(["rest"], now + 1)
        task.push_sample(["stroop"], now + 2)
        task.push_sample(["rest"], now + 3)
        chunks = collect(receiver, 160, "eda")
        chunks += receiver.pull()
    data, flags = joined(chunks, "eda")
    first = next(chunk.data for chunk in chunks if chunk.name == "eda")
    assert isinstance(first, Signal)
    assert (first.unit, first.kind, first.sfreq, first.ch_names) == ("uS", "eda", 32, ("GSR",))
    assert_allclose(data[0], np.arange(160) / 1000, rtol=1e-6)
    assert not flags.any()
    assert_allclose(first.start, now - receiver.started, atol=0.01)
    tags = [chunk.data for chunk in chunks if chunk.name == "tags"]
    assert all(isinstance(tag, Events) for tag in tags)
    assert_allclose(np.concatenate([tag.times for tag in tags]) - first.start, [1, 2, 3], atol=0.01)
    assert_array_equal(np.concatenate([tag.values for tag in tags]), [1, 2, 1])
    assert receiver.labels == {"rest": 1, "stroop": 2}


def test_lost_samples_are_a_gap_and_jitter_is_not():
    wrist = outlet("lossy", "GSR", EDA, 32)
    rng = np.random.default_rng(0)
    with connect_lsl(LslQuery(name="lossy"), timeout=30) as receiver:
        now = pylsl.local_clock()
        chunks = []
        for blocks in (range(8), [8, 9, 13, 14], range(15, 20)):  # Three seconds are lost within a pull.
            for block in blocks:
                late = rng.uniform(0, 0.1)
                push(wrist, np.arange(32.0 * block, 32.0 * block + 32)[:, None], now + block + 31 / 32 + late)
            time.sleep(0.3)
            chunks += collect(receiver, 32 * len(blocks), "eda")
        data, flags = joined(chunks, "eda")
    gap = np.flatnonzero(flags == Flag.GAP)
    assert_allclose([gap[0], len(gap)], [320, 96], atol=4)
    assert np.isnan(data[0, gap]).all()
    assert_allclose(
        data[0, np.isfinite(data[0])], np.concatenate([np.arange(320), np.arange(416, 640)]) * 1e-3
    )


def test_one_stream_of_two_kinds_is_taken_apart_and_a_second_of_a_kind_is_numbered():
    channels = [("ECG", "ECG", "mV"), ("X", "ACC", "g"), ("Y", "ACC", "g"), ("Trigger", "", "")]
    both, more = outlet("chest", "Physio", channels, 100), outlet("arm", "", [("v", "", "")], 50)
    with connect_lsl(
        LslQuery(name="chest"), LslQuery(name="arm", kind="acc", unit="mg"), timeout=30
    ) as receiver:
        assert receiver.names == ("ecg", "acc", "acc_2")
        push(both, np.arange(400.0).reshape(100, 4), pylsl.local_clock())
        push(more, np.full((50, 1), 1000.0), pylsl.local_clock())
        chunks = collect(receiver, 50, "acc_2")
        chunks += collect(receiver, 0, "ecg")
    assert_allclose(joined(chunks, "ecg")[0][0, :3], [0, 4e-3, 8e-3])
    assert_allclose(joined(chunks, "acc")[0][:, 1], [5, 6])
    assert_allclose(joined(chunks, "acc_2")[0], 1.0)


def test_nobody_answers():
    begin = time.monotonic()
    with pytest.raises(
        DataError, match=r"No stream with name='nobody' answered in 0.3 s; on the network are"
    ):
        connect_lsl(LslQuery(name="nobody"), timeout=0.3)
    assert time.monotonic() - begin < 30


def test_a_stream_of_unknown_kind_or_without_a_rate_is_refused():
    outlets = [outlet("mouse", "Mouse", [("", "", "")], 60), outlet("slow", "GSR", EDA, 0)]
    with pytest.raises(DataError, match=r"mouse \(Mouse\) has no known kind: state it in the query"):
        connect_lsl(LslQuery(name="mouse"))
    with pytest.raises(DataError, match=r"slow \(GSR\) has no sampling rate"):
        connect_lsl(LslQuery(name="slow"))
    del outlets


def test_a_stream_that_falls_silent_is_reported():
    out = outlet("silent", "GSR", EDA, 32)
    with connect_lsl(LslQuery(name="silent"), timeout=30) as receiver:
        stream = receiver.chunks(every=0.01, timeout=0.3)
        push(out, np.ones((32, 1)), pylsl.local_clock())
        chunk = next(stream)
        assert isinstance(chunk.data, Signal)
        with pytest.raises(DataError, match=r"Nothing has come from silent \(GSR\) for 0.3 s"):
            for _ in stream:
                pass
    del out
    gc.collect()


def test_a_clock_that_was_set_back_is_reported():
    out = outlet("reset", "GSR", EDA, 32)
    with connect_lsl(LslQuery(name="reset"), timeout=30) as receiver:
        now = pylsl.local_clock()
        push(out, np.ones((32, 1)), now)
        collect(receiver, 32, "eda")
        push(out, np.ones((32, 1)), now - 100)
        with pytest.raises(DataError, match=r"reset \(GSR\) jump by -101 s"):
            collect(receiver, 32, "eda")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (LslQuery, "needs the name, the type or the source_id"),
        (lambda: LslQuery(name="it's"), "apostrophe"),
        (lambda: LslQuery(name="x", kind="mood"), "kind must be one of"),
        (lambda: LslQuery(name="x", unit="uS"), "unit needs a kind"),
        (connect_lsl, "at least one LslQuery"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
