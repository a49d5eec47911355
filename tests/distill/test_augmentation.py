"""Augmentation: what it may do to an image, that it repeats, and that each image is changed alone."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from physioaffect.distill.augmentation import Augmentation, augment  # noqa: E402

STILL = {"flip": 0.0, "shift": 0, "contrast": 0.0, "brightness": 0.0}


def images(n=64, n_channels=1, size=12):
    values = np.random.default_rng(0).integers(60, 180, (n, n_channels, size, size), dtype=np.uint8)
    return torch.from_numpy(values)


def changed(batch, seed=0, **settings):
    return augment(batch, Augmentation(**(STILL | settings)), np.random.default_rng(seed))


@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_flip_is_a_mirror_image(n_channels):
    batch = images(n_channels=n_channels)
    assert torch.equal(changed(batch, flip=1.0), batch.flip(3).float())
    some = changed(batch, flip=0.5)
    is_mirrored = [torch.equal(one, whole.flip(2).float()) for one, whole in zip(some, batch, strict=True)]
    is_same = [torch.equal(one, whole.float()) for one, whole in zip(some, batch, strict=True)]
    assert all(a != b for a, b in zip(is_mirrored, is_same, strict=True))
    assert 16 < sum(is_mirrored) < 48


@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_shift_is_a_crop_of_the_image_with_its_border_repeated(n_channels):
    batch, shift = images(n_channels=n_channels), 2
    padded = torch.nn.functional.pad(batch.float(), (shift,) * 4, mode="replicate")
    crops = padded.unfold(2, 12, 1).unfold(3, 12, 1)  # (n, n_channels, 5, 5, 12, 12)
    found = changed(batch, shift=shift)
    is_there = (crops == found[:, :, None, None]).flatten(4).all(dim=4).all(dim=1)
    places = {tuple(place.nonzero()[0].tolist()) for place in is_there}
    assert bool(is_there.flatten(1).any(dim=1).all())
    assert len(places) > 15  # Of 25.


def test_contrast_turns_around_the_mean_and_brightness_moves_it():
    batch = images().float()
    means = batch.mean(dim=(1, 2, 3))
    apart = batch - means[:, None, None, None]
    found = changed(batch.to(torch.uint8), contrast=0.2)
    assert torch.allclose(found.mean(dim=(1, 2, 3)), means, atol=1e-3)
    factors = (found - means[:, None, None, None]).std(dim=(1, 2, 3)) / apart.std(dim=(1, 2, 3))
    assert 0.8 <= float(factors.min()) < 0.85
    assert 1.15 < float(factors.max()) <= 1.2
    moved = changed(batch.to(torch.uint8), brightness=0.1) - batch
    assert torch.allclose(moved.std(dim=(1, 2, 3)), torch.zeros(64), atol=1e-3)
    assert 20 < float(moved.abs().max()) <= 25.5


def test_values_stay_in_range():
    batch = torch.tensor([[[[0, 255]]]], dtype=torch.uint8).expand(50, 1, 1, 2)
    found = changed(batch, contrast=0.9, brightness=0.9)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255


def test_the_same_generator_gives_the_same_and_draws_do_not_depend_on_the_image():
    batch = images()
    settings = {"flip": 0.5, "shift": 2, "contrast": 0.2, "brightness": 0.1}
    assert torch.equal(changed(batch, 5, **settings), changed(batch, 5, **settings))
    assert not torch.equal(changed(batch, 5, **settings), changed(batch, 6, **settings))
    # The last image is changed as before, whatever the others are.
    other = images().flip(0)
    other[-1] = batch[-1]
    assert torch.equal(changed(other, 5, **settings)[-1], changed(batch, 5, **settings)[-1])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"flip": 1.5}, "flip is a chance"),
        ({"shift": -1}, "shift is a number"),
        ({"contrast": 1.0}, "contrast must be from 0"),
    ],
)
def test_settings_that_are_none(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        Augmentation(**change)
