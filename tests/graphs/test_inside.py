"""What networks show of themselves is what they compute with, under the names of the electrodes."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from physioaffect.errors import DataError, ProtocolError
from physioaffect.graphs import (
    DGCNNClassifier,
    EEGNetClassifier,
    GCBNetClassifier,
    HiSTNClassifier,
    LGGNetClassifier,
    LinearClassifier,
    MLPClassifier,
    RBTransformerClassifier,
    RGNNClassifier,
    TSceptionClassifier,
    attention_maps,
    learned_adjacency,
    temporal_filters,
)
from physioaffect.recording import Signal
from physioaffect.windows import Windowing, Windows

NAMES = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
LABELS = np.arange(32) // 8 % 2
FAST: dict[str, Any] = {"epochs": 1, "batch_size": 16, "random_state": 0, "device": "cpu"}


def bands_of(names: tuple[str, ...] = NAMES) -> xr.DataArray:
    X = np.random.default_rng(0).normal(size=(32, len(NAMES), 4))[:, [NAMES.index(name) for name in names]]
    return xr.DataArray(X, dims=("window", "channel", "band"), coords={"channel": list(names)})


def raw(sfreq: float = 128.0) -> Windows:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((4, len(NAMES), round(8 * sfreq)))
    trials = [Signal(data=x, sfreq=sfreq, ch_names=NAMES, kind="eeg", unit="au") for x in data]
    return Windows(trials, [Windowing(duration=1).intervals(8.0)] * 4)


@pytest.fixture(scope="module")
def transformer() -> RBTransformerClassifier:
    model = RBTransformerClassifier(width=8, n_blocks=2, n_heads=3, head_width=4, n_hidden=8, **FAST)
    return model.fit(bands_of(), LABELS)


class TestAttention:
    def test_it_is_that_of_the_network_on_standardised_windows(self, transformer):
        X = bands_of()
        maps = attention_maps(transformer, X, average=())
        assert maps.dims == ("window", "block", "head", "channel", "looked_at")
        assert maps.shape == (32, 2, 3, 14, 14)
        z = torch.tensor((X.values - X.values.mean(axis=0)) / X.values.std(axis=0), dtype=torch.float32)
        with torch.no_grad():
            network: Any = transformer.network_.network
            assert_allclose(maps, network.attention(z), atol=1e-5)
        assert_allclose(maps.sum("looked_at"), 1, atol=1e-6)

    @pytest.mark.parametrize("average", [("window",), ("head", "block"), ("window", "block", "head")])
    def test_it_is_averaged_over_what_is_asked_for(self, transformer, average):
        every = attention_maps(transformer, bands_of(), average=())
        found = attention_maps(transformer, bands_of(), average=average)
        xr.testing.assert_allclose(found, every.mean(average))

    def test_rows_and_columns_have_the_names_of_the_electrodes(self, transformer):
        one = attention_maps(transformer, bands_of())
        other = attention_maps(transformer, bands_of(tuple(reversed(NAMES))))
        assert one.dims == ("channel", "looked_at")
        assert one["channel"].values.tolist() == one["looked_at"].values.tolist() == list(NAMES)
        assert_array_equal(one, other)

    def test_more_windows_than_are_looked_at_at_once_have_the_same_mean(self, transformer):
        X = xr.concat([bands_of()] * 9, "window")
        assert_allclose(attention_maps(transformer, X), attention_maps(transformer, bands_of()), atol=1e-6)

    def test_what_has_none_is_refused(self, transformer):
        with pytest.raises(
            ProtocolError, match=r"MLPClassifier has no attention between .*\. RBTransformerClassifier has"
        ):
            attention_maps(MLPClassifier(**FAST).fit(bands_of(), LABELS), bands_of())
        with pytest.raises(ValueError, match="cannot be averaged over 'channel': use window, block or head"):
            attention_maps(transformer, bands_of(), average=("channel",))
        with pytest.raises(DataError, match="There is no window to look at"):
            attention_maps(transformer, bands_of()[:0])
        with pytest.raises(NotFittedError, match="has not been fitted"):
            attention_maps(RBTransformerClassifier(), bands_of())


class TestAdjacency:
    @pytest.mark.parametrize("kind", [DGCNNClassifier, GCBNetClassifier, RGNNClassifier])
    def test_it_is_that_of_the_network(self, kind):
        model = kind(**FAST).fit(bands_of(), LABELS)
        found = learned_adjacency(model)
        assert found.dims == ("channel", "heard")
        network: Any = model.network_.network
        assert_allclose(found, network.adjacency().detach())
        assert found["channel"].values.tolist() == found["heard"].values.tolist() == list(NAMES)

    def test_electrodes_of_other_regions_are_not_heard_by_histn(self):
        names = tuple(reversed(NAMES))
        found = learned_adjacency(HiSTNClassifier(**FAST).fit(raw().pick(names), LABELS))
        assert found["channel"].values.tolist() == list(names)
        assert float(found.sel(channel="F3", heard="F4")) == 0
        assert float(found.sel(channel="F3", heard="AF3")) != 0

    def test_that_of_lggnet_is_one_of_regions_averaged_over_windows(self):
        model = LGGNetClassifier(n_temporal=2, **FAST).fit(raw(), LABELS)
        found = learned_adjacency(model, raw())
        assert found.dims == ("region", "heard")
        assert "F7 F3" in found["region"].values
        assert sorted(" ".join(found["region"].values.tolist()).split()) == sorted(NAMES)
        network: Any = model.network_
        with torch.no_grad():
            own = network.network.region_adjacency(network.standardise(torch.from_numpy(raw()[:])))
        assert_allclose(found, own.mean(dim=0), atol=1e-5)
        with pytest.raises(ProtocolError, match="graph of LGGNetClassifier differs from window to window"):
            learned_adjacency(model)

    def test_without_names_there_are_none(self):
        assert learned_adjacency(DGCNNClassifier(**FAST).fit(bands_of().values, LABELS)).coords == {}

    def test_what_learns_none_is_refused(self):
        with pytest.raises(ProtocolError, match=r"LinearClassifier has no learned graph to look at\. DGCNN"):
            learned_adjacency(LinearClassifier(**FAST).fit(bands_of(), LABELS))


class TestFilters:
    @pytest.mark.parametrize(
        ("model", "n_filters"),
        [
            (EEGNetClassifier(**FAST), 8),
            (TSceptionClassifier(n_temporal=2, **FAST), 6),
            (LGGNetClassifier(n_temporal=2, **FAST), 6),
            (HiSTNClassifier(**FAST), 8),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_gain_is_the_magnitude_of_the_frequency_response(self, model, n_filters):
        model.fit(raw(), LABELS)
        found = temporal_filters(model)
        assert found.shape[0] == n_filters
        assert found.dims == ("filter", "frequency")
        assert found["frequency"].values[[0, -1]].tolist() == [0, 64]
        kernels = model.network_.network.temporal_kernels().detach().double().numpy()
        t = np.arange(kernels.shape[1]) / 128
        at = found["frequency"].values[[0, 17, 40]]
        expected = np.abs(kernels @ np.exp(-2j * np.pi * t[:, np.newaxis] * at))
        assert_allclose(found.sel(frequency=at), expected, atol=1e-6)

    def test_a_filter_tuned_to_10_hz_peaks_there(self):
        model = EEGNetClassifier(**FAST).fit(raw(200.0), LABELS)
        network: Any = model.network_.network
        kernels = network.temporal_kernels()
        with torch.no_grad():
            t = torch.arange(kernels.shape[1]) / 200
            kernels[3] = torch.sin(2 * torch.pi * 10 * t) * torch.hann_window(len(t))
        found = temporal_filters(model)
        peak = found.sel(filter=4).idxmax("frequency").item()
        assert abs(peak - 10) <= float(found["frequency"][1])
        assert float(found["frequency"][-1]) == 100

    def test_histn_mixes_filters_for_each_electrode(self):
        names = tuple(reversed(NAMES))
        found = temporal_filters(HiSTNClassifier(**FAST).fit(raw().pick(names), LABELS), by_electrode=True)
        assert found.dims == ("channel", "frequency")
        straight = temporal_filters(HiSTNClassifier(**FAST).fit(raw(), LABELS), by_electrode=True)
        assert found["channel"].values.tolist() == list(names)
        assert straight["channel"].values.tolist() == list(NAMES)

    def test_what_has_none_is_refused(self):
        with pytest.raises(ProtocolError, match=r"has no temporal filters to look at\. EEGNetClassifier has"):
            temporal_filters(LinearClassifier(**FAST).fit(bands_of(), LABELS))
        with pytest.raises(ProtocolError, match=r"has no filters of electrodes to look at\. HiSTNClassifier"):
            temporal_filters(EEGNetClassifier(**FAST).fit(raw(), LABELS), by_electrode=True)


def test_looking_leaves_the_network_as_it_is(transformer):
    before = transformer.predict_proba(bands_of())
    attention_maps(transformer, bands_of())
    assert_array_equal(transformer.predict_proba(bands_of()), before)
    assert all(weight.requires_grad for weight in transformer.network_.parameters())
