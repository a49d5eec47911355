"""The teacher: what its network must do, who decides what, and what it finds in worlds that are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from physioaffect.datasets import DREAMER, World
from physioaffect.distill.held_out import held_out_predictions
from physioaffect.distill.map_input import scaled_ratings
from physioaffect.distill.teacher import MapTeacher
from physioaffect.distill.teacher_network import MapNetwork, consistency_ramp
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.scoring.metrics import ccc
from physioaffect.features import default_recipe, extract
from physioaffect.features.topomap import topographic_maps
from physioaffect.signals.eeg import BandPass, EEGCleaning
from physioaffect.training import Batch, ConcordanceAndError, torch_threads

Floats = NDArray[np.float64]

SIZE = 8
N = 240
PEOPLE = np.repeat(["a", "b", "c", "d"], N // 4)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with torch_threads(1):
        yield


def planted(n: int = N, *, seed: int = 0, n_bands: int = 2) -> tuple[Floats, Floats]:
    """Maps of which the first band has the valence on its right half, the second the arousal everywhere."""
    rng = np.random.default_rng(seed)
    ratings = rng.uniform(-1, 1, size=(n, 2))
    maps = 0.5 * rng.normal(size=(n, SIZE, SIZE, n_bands))
    maps[:, :, SIZE // 2 :, 0] += ratings[:, :1, None]
    maps[..., 1] += ratings[:, 1:, None]
    return maps, ratings


def teacher(**settings: Any) -> MapTeacher:
    options: dict[str, Any] = {
        "epochs": 6,
        "batch_size": 20,
        "learning_rate": 2e-3,
        "random_state": 0,
        "device": "cpu",
    }
    return MapTeacher(**(options | settings))


@pytest.fixture(scope="module")
def fitted() -> MapTeacher:
    maps, ratings = planted()
    return teacher().fit(maps, ratings, groups=PEOPLE)


class TestNetwork:
    def test_forward_is_what_the_docstring_says(self):
        network = MapNetwork(n_bands=3, size=16, n_dims=10).eval()
        x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        h = x
        for convolution in network.convolutions:
            h = torch.nn.functional.gelu(convolution(h)).unflatten(2, (-1, 2)).unflatten(4, (-1, 2))
            h = h.mean(dim=(3, 5))
        e = torch.nn.functional.gelu(h.flatten(1) @ network.features.weight.T + network.features.bias)
        torch.testing.assert_close(network.embed(x), e)
        torch.testing.assert_close(network(x), e @ network.output.weight.T + network.output.bias)

    def test_sizes_are_those_of_the_contract(self):
        network = MapNetwork(n_bands=5, size=32)
        assert [layer.out_channels for layer in network.convolutions] == [32, 64, 128]
        assert network.output.in_features == 256

    def test_noise_is_smooth_and_of_its_strength_at_the_points(self):
        network = MapNetwork(n_bands=1, size=32, noise=0.7)
        torch.testing.assert_close(network.across.sum(dim=1), torch.ones(32))
        seen = []
        network.convolutions[0].register_forward_pre_hook(lambda _layer, args: seen.append(args[0]))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network.train()(torch.zeros(300, 1, 32, 32))
        corners = seen[0][:, 0, ::31, ::31]
        torch.testing.assert_close(corners.abs(), torch.full_like(corners, 0.7))
        assert abs(float(corners.mean())) < 0.08
        assert float((seen[0][:, 0, 1:] - seen[0][:, 0, :-1]).abs().max()) < 2 * 0.7 / 7.75 + 1e-6
        network.eval()(torch.zeros(2, 1, 32, 32))
        assert not seen[1].any()

    def test_consistency_is_the_mean_squared_difference_of_two_views(self):
        network = MapNetwork(n_bands=1, size=8, consistency=3.0, ramp=0.5)
        x, u = torch.zeros(5, 1, 8, 8), torch.ones(4, 1, 8, 8)
        y = torch.linspace(-1, 1, 10).reshape(5, 2)
        views = torch.arange(26.0).reshape(13, 2).sqrt()
        asked = []

        def call(images: torch.Tensor) -> torch.Tensor:
            asked.append(images)
            return views

        for progress, ramp in ((0.0, np.exp(-5)), (0.25, np.exp(-1.25)), (0.5, 1.0), (0.9, 1.0)):
            found = network.objective(call, Batch(x, y, u, torch.tensor(progress)))
            apart = float((views[5:9] - views[9:]).square().mean())
            expected = float(ConcordanceAndError()(views[:5], y)) + 3 * ramp * apart
            assert_allclose(float(found), expected, rtol=1e-6)
        torch.testing.assert_close(asked[0], torch.cat([x, u, u]))

    def test_the_ramp_never_falls(self):
        weights = consistency_ramp(torch.linspace(0, 1, 50), 0.3)
        assert (weights.diff() >= 0).all()
        assert_allclose([float(weights[0]), float(weights[-1])], [np.exp(-5), 1], rtol=1e-6)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"size": 7}, "8 x 8 pixels or more .* 7 x 7"),
            ({"n_bands": 0}, "got 0 bands"),
            ({"n_dims": 0}, "n_dims=0"),
            ({"noise": -0.1}, "noise=-0.1"),
            ({"ramp": 0.0}, "ramp=0.0"),
            ({"consistency": -1.0}, "consistency=-1.0"),
        ],
    )
    def test_impossible_settings_are_refused(self, settings, message):
        with pytest.raises(ValueError, match=message):
            MapNetwork(**({"n_bands": 2, "size": 16} | settings))


class TestTeacher:
    def test_finds_what_is_planted_in_people_it_never_saw(self, fitted):
        maps, ratings = planted(seed=1)
        predicted = fitted.predict(maps)
        assert predicted.shape == (N, 2)
        assert np.abs(predicted).max() <= 1
        assert min(ccc(ratings[:, k], predicted[:, k]) for k in (0, 1)) > 0.85
        # What is planted in one says nothing of the other.
        assert abs(np.corrcoef(predicted[:, 0], ratings[:, 1])[0, 1]) < 0.25

    def test_embeddings_are_of_length_one_and_near_for_near_ratings(self, fitted):
        maps, ratings = planted(seed=1)
        embedded = fitted.embed(maps)
        assert embedded.shape == (N, 256)
        assert embedded.dtype == np.float32
        assert_allclose(np.linalg.norm(embedded, axis=1), 1, rtol=1e-5)
        apart = np.linalg.norm(ratings[:, None] - ratings, axis=-1)
        cosine = embedded @ embedded.T
        assert cosine[(apart > 0) & (apart < 0.3)].mean() > cosine[apart > 1.2].mean() + 0.3

    def test_embeddings_and_outputs_are_of_one_network(self, fitted):
        maps, _ = planted(20, seed=2)
        network = fitted.network_.network
        standardised = fitted.network_.standardise(torch.from_numpy(np.moveaxis(maps, -1, 1)).float())
        with torch.no_grad():
            features = network.embed(standardised)
            told = network.output(features).numpy()
        assert_allclose(fitted.predict(maps), np.clip(told, -1, 1), atol=1e-5)
        unit = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
        assert_allclose(fitted.embed(maps), unit, atol=1e-5)

    def test_standardises_by_training_people_alone(self):
        maps, ratings = planted()
        is_last = PEOPLE == "d"
        first, second = (
            teacher(epochs=1).fit(
                np.where(is_last[:, None, None, None], factor * maps, maps),
                ratings,
                groups=PEOPLE,
                validation=["d"],
            )
            for factor in (1, 100)
        )
        assert first.validation_people_ == ("d",)
        assert first.people_ == ("a", "b", "c")
        kept = np.moveaxis(maps[~is_last], -1, 1)
        for one in (first, second):
            assert_allclose(one.network_.standardise.mean, kept.mean(axis=0), atol=1e-6)
            band = (kept - kept.mean(axis=0)).std(axis=(0, 2, 3))
            assert_allclose(one.network_.standardise.scale[:, 0, 0], band, rtol=1e-4)
        # Of a single epoch the weights depend on training people alone, too.
        for name, weight in first.network_.state_dict().items():
            torch.testing.assert_close(weight, second.network_.state_dict()[name], rtol=0, atol=0)

    def test_what_is_unknown_of_a_map_is_nought_to_the_network(self):
        maps, ratings = planted()
        maps[:, 0] = np.nan
        maps[::3, 5, 5] = np.nan
        fitted = teacher(epochs=1).fit(maps, ratings, groups=PEOPLE)
        seen = []
        fitted.network_.network.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
        told = fitted.network_.standardise.mean.numpy()
        fitted.network_(torch.from_numpy(np.where(np.isnan(m := np.moveaxis(maps, -1, 1)), told, m)).float())
        is_missing = np.isnan(m)
        assert (seen[0].numpy()[is_missing] == 0).all()
        filled_in = np.moveaxis(np.where(is_missing, told, m), 1, -1)
        assert_array_equal(fitted.predict(maps), fitted.predict(filled_in))

    def test_one_seed_gives_one_teacher(self, fitted):
        maps, ratings = planted()
        again = clone(fitted).fit(maps, ratings, groups=PEOPLE)
        assert_array_equal(again.embed(maps), fitted.embed(maps))
        assert again.history_ == fitted.history_
        other = teacher(random_state=1).fit(maps, ratings, groups=PEOPLE)
        assert not np.allclose(other.embed(maps), fitted.embed(maps), atol=0.1)

    def test_keeps_the_epoch_that_was_best_for_the_held_out_people(self):
        maps, _ = planted(80)
        ratings = np.random.default_rng(3).uniform(-1, 1, size=(80, 2))
        people = np.repeat(["a", "b", "c", "d"], 20)
        fitted = teacher(epochs=30, patience=2, noise=0.0, dropout=0.0).fit(maps, ratings, groups=people)
        losses = [epoch.validation_loss for epoch in fitted.history_]
        assert len(losses) < 30
        assert len(losses) == np.argmin(losses) + 3
        own = np.isin(people, fitted.validation_people_)
        with torch.no_grad():
            images = torch.from_numpy(np.moveaxis(maps[own], -1, 1)).float()
            loss = ConcordanceAndError()(fitted.network_(images), torch.from_numpy(ratings[own]).float())
        assert_allclose(float(loss), min(losses), rtol=1e-4)

    def test_unlabelled_maps_are_seen_alike_under_noise(self):
        maps, ratings = planted()
        new, _ = planted(seed=5)

        def disagreement(weight: float) -> float:
            one = teacher(patience=None, noise=1.0, consistency=weight, ramp=0.1)
            network = one.fit(maps, ratings, groups=PEOPLE, unlabelled=new).network_
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(0)
                x = network.standardise(torch.from_numpy(np.moveaxis(new, -1, 1)).float())
                network.network.train()
                return float((network.network(x) - network.network(x)).square().mean())

        without, with_some, with_much = (disagreement(weight) for weight in (0.0, 1.0, 10.0))
        assert with_some < 0.95 * without
        assert with_much < 0.5 * without

    def test_unlabelled_maps_at_no_weight_change_nothing_but_the_draws(self):
        maps, ratings = planted()
        options = {"noise": 0.0, "dropout": 0.0}
        plain = teacher(**options).fit(maps, ratings, groups=PEOPLE)
        more = teacher(**options, consistency=0.0).fit(maps, ratings, groups=PEOPLE, unlabelled=-maps)
        assert_allclose(more.embed(maps), plain.embed(maps), atol=1e-4)

    def test_unlabelled_maps_may_be_of_another_device(self):
        maps, ratings = planted()
        new, _ = planted(seed=5)
        new[:, 0] = np.nan
        offset = np.random.default_rng(6).normal(size=(1, SIZE, SIZE, 2))
        options = {"epochs": 2, "consistency": 1.0, "ramp": 0.1}
        first, second = (
            teacher(**options).fit(maps, ratings, groups=PEOPLE, unlabelled=unlabelled)
            for unlabelled in (new, 30 * (new + offset))
        )
        assert_allclose(first.embed(maps), second.embed(maps), atol=1e-3)

    def test_maps_may_come_with_names(self, fitted):
        maps, _ = planted(10)
        named = xr.DataArray(maps, dims=("window", "y", "x", "band"))
        assert_array_equal(fitted.predict(named.transpose("band", "window", "y", "x")), fitted.predict(maps))
        with pytest.raises(DataError, match="dimensions window, y, x and band, got window, channel, x, band"):
            fitted.predict(named.rename(y="channel"))

    def test_a_single_band_needs_no_dimension(self):
        maps, ratings = planted()
        one = teacher(epochs=1).fit(maps[..., 0], ratings, groups=PEOPLE)
        assert_array_equal(one.predict(maps[..., 0]), one.predict(maps[..., :1]))

    def test_maps_are_not_changed(self, fitted):
        maps = topographic_maps(
            np.random.default_rng(0).normal(size=(30, 14, 2)).astype(np.float32),
            ch_names=DREAMER.ch_names["eeg"],
            size=SIZE,
        )
        before = maps.copy()
        fitted.embed(maps)
        assert_array_equal(maps, before)


class TestRefused:
    def test_ratings_off_the_scale(self):
        maps, ratings = planted()
        with pytest.raises(DataError, match=r"from -1 to 1, got 5. Use scaled_ratings"):
            teacher().fit(maps, np.full((N, 2), 5.0), groups=PEOPLE)
        ratings[3, 1] = np.nan
        with pytest.raises(DataError, match="from -1 to 1, got nan"):
            teacher().fit(maps, ratings, groups=PEOPLE)
        with pytest.raises(DataError, match=rf"ratings of shape \({N}, 2\), got \({N},\)"):
            teacher().fit(maps, ratings[:, 0], groups=PEOPLE)

    def test_maps_of_another_kind(self, fitted):
        maps, _ = planted(5)
        with pytest.raises(
            DataError, match="maps of 8 x 8 pixels and 2 bands, these have 8 x 8 pixels and 1"
        ):
            fitted.predict(maps[..., :1])
        with pytest.raises(DataError, match=r"got float64 of shape \(5, 8, 7, 2\)"):
            fitted.predict(maps[:, :, 1:])
        maps[2] = np.nan
        with pytest.raises(DataError, match="1 of 5 maps have no value at all, the first at row 2"):
            fitted.predict(maps)
        maps[2] = np.inf
        with pytest.raises(DataError, match="1 of 5 maps have infinite values, the first at row 2"):
            fitted.predict(maps)
        assert fitted.predict(maps[:0]).shape == (0, 2)

    def test_people_who_do_not_suffice(self):
        maps, ratings = planted()
        with pytest.raises(ProtocolError, match="of 1 people 1 would be held out"):
            teacher().fit(maps, ratings, groups=np.repeat("a", N))
        with pytest.raises(ProtocolError, match="of 4 people 4 would be held out"):
            teacher().fit(maps, ratings, groups=PEOPLE, validation=list("abcd"))
        with pytest.raises(DataError, match="z cannot be held out: there are maps of a, b, c, d"):
            teacher().fit(maps, ratings, groups=PEOPLE, validation=["z"])
        with pytest.raises(DataError, match=r"240 maps and people .* shape"):
            teacher().fit(maps, ratings, groups=PEOPLE[:5])
        with pytest.raises(ValueError, match="validation_share must be above 0 and below 1, got 1"):
            teacher(validation_share=1).fit(maps, ratings, groups=PEOPLE)
        with pytest.raises(ProtocolError, match="do not fill one batch of 1000"):
            teacher(batch_size=1000).fit(maps, ratings, groups=PEOPLE)

    def test_one_that_was_not_fitted(self):
        with pytest.raises(NotFittedError, match="call fit first"):
            teacher().predict(planted(5)[0])

    @pytest.mark.parametrize("rating", [0.9, 5.1, np.nan])
    def test_ratings_that_are_not_on_their_scale(self, rating):
        with pytest.raises(DataError, match=f"1 of 3 ratings are not from 1 to 5, the first is {rating:g}"):
            scaled_ratings([1, rating, 5], lowest=1, highest=5)
        with pytest.raises(ValueError, match="lowest < highest, got 5 and 5"):
            scaled_ratings([1], lowest=5, highest=5)


def test_scaled_ratings_of_dreamer_are_half_the_distance_from_three():
    scores = np.arange(1, 6)
    assert_array_equal(scaled_ratings(scores, lowest=1, highest=5), (scores - 3) / 2)
    assert_array_equal(scaled_ratings([[1.0, 5.0, 9.0]], lowest=1, highest=9), [[-1, 0, 1]])


def concordances(folder: Path, world: World) -> tuple[list[float], list[float]]:
    """Of valence and arousal over trials of people not seen; and the highest of 200 permutations."""
    assert DREAMER.simulate is not None
    DREAMER.simulate(folder, world=world, n_subjects=6, max_seconds=4)
    high_pass = EEGCleaning(
        unusable=None, band=BandPass(fmin=2, fmax=None), bad_channels=None, reference=None, segments=None
    )
    recipe = default_recipe(DREAMER, families=["de"], window=1, cleaning=[high_pass])
    table = extract(DREAMER, folder, recipe).features
    maps = topographic_maps(
        table["de"].values.astype(np.float32), ch_names=table["channel"].values.tolist(), size=SIZE
    )
    ratings = np.stack(
        [scaled_ratings(table[scale].values, lowest=1, highest=5) for scale in ("valence", "arousal")], axis=1
    )
    people = table["subject"].values.astype(str)
    predicted = held_out_predictions(maps, ratings, people, teacher=teacher(epochs=15), n_folds=3)
    names = [f"{person}/{trial}" for person, trial in zip(people, table["trial"].values, strict=True)]
    _, first, which = np.unique(names, return_index=True, return_inverse=True)
    count = np.bincount(which)
    rng = np.random.default_rng(0)
    found, chance = [], []
    for scale in (0, 1):
        truth = ratings[first, scale]
        told = np.bincount(which, predicted[:, scale]) / count
        found.append(ccc(truth, told))
        owner = people[first]
        permuted = []
        for _ in range(200):
            mixed = truth.copy()
            for person in np.unique(owner):
                mixed[owner == person] = rng.permutation(truth[owner == person])
            permuted.append(ccc(mixed, told))
        chance.append(max(permuted))
    return found, chance


def test_affect_is_found_in_new_people_where_there_is_any(tmp_path):
    found, chance = concordances(tmp_path, World.planted())
    assert min(found) > 0.2
    assert found[0] > chance[0]
    assert found[1] > chance[1]


def test_nothing_is_found_where_there_is_nothing(tmp_path):
    found, _ = concordances(tmp_path, World.null())
    assert np.abs(found).max() < 0.2
