"""Backbones: sizes that are published, any channels, weights of a folder, and none that are pickled."""

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from physioaffect.distill.backbones import backbone, backbone_of  # noqa: E402
from physioaffect.errors import DataError  # noqa: E402


def n_weights(network):
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("name", "n_features", "n_published"),
    # Of the published networks without their heads: torchvision's resnet18 and resnet50, mobilenet_v2.
    [
        ("resnet18", 512, 11_689_512 - 513_000),
        ("resnet50", 2048, 25_557_032 - 2_049_000),
        ("mobilenet_v2", 1280, 3_504_872 - 1_281_000),
    ],
)
def test_networks_of_colour_images_are_the_published_ones(name, n_features, n_published):
    with torch.device("meta"):
        network = backbone(name, image_size=224, n_channels=3)
    assert (n_weights(network), network.n_features) == (n_published, n_features)


def test_transformers_are_the_published_ones():
    with torch.device("meta"):
        swin, vit = (backbone(name, image_size=224, n_channels=3) for name in ("swin", "vit"))
    assert n_weights(swin) == 28_288_354 - 769_000  # Swin-T of Liu et al. without its head.
    assert n_weights(vit) == 5_717_416 - 193_000  # DeiT-Ti of Touvron et al., likewise.


@pytest.mark.parametrize(
    ("name", "n_channels"),
    [
        ("resnet_tiny", 1),
        ("resnet_tiny", 3),
        ("mobilenet_v2", 1),
        ("vit", 1),
        pytest.param("swin", 1, marks=pytest.mark.slow),
    ],
)
def test_small_images_give_a_vector_each(name, n_channels):
    network = backbone(name, image_size=48, n_channels=n_channels).train(False)
    found = network(torch.randn(3, n_channels, 48, 48))
    assert found.shape == (3, network.n_features)
    assert bool(found.isfinite().all())
    assert not torch.allclose(found[0], found[1], rtol=1e-3, atol=0)


def test_the_tiny_one_has_four_stages_of_one_layer():
    network = backbone("resnet_tiny")
    assert network.config["hidden_sizes"] == [16, 32, 64, 128]
    assert network.config["depths"] == [1, 1, 1, 1]


@pytest.mark.parametrize("name", ["resnet_tiny", pytest.param("swin", marks=pytest.mark.slow)])
def test_its_configuration_makes_it_again(name):
    network = backbone(name)
    told = json.loads(json.dumps(network.config))
    again = backbone_of(told)
    again.load_state_dict(network.state_dict())
    images = torch.randn(2, 1, 48, 48)
    assert torch.equal(again.train(False)(images), network.train(False)(images))


def test_weights_of_a_folder_are_read_and_keep_their_channels(tmp_path):
    network = backbone("resnet_tiny", n_channels=3)
    network.model.save_pretrained(tmp_path / "own")
    again = backbone("resnet_tiny", n_channels=1, pretrained=tmp_path / "own")
    assert again.n_channels == 3
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_pickled_weights_are_refused(tmp_path):
    backbone("resnet_tiny").model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"has no model.safetensors. Pickled weights .* are not read"):
        backbone("resnet_tiny", pretrained=tmp_path)


def test_folders_of_something_else_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"has no config.json of a model"):
        backbone("resnet_tiny", pretrained=tmp_path)
    backbone("resnet_tiny").model.save_pretrained(tmp_path)
    with pytest.raises(DataError, match="holds a model of the type 'resnet'; expected 'vit'"):
        backbone("vit", pretrained=tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(DataError, match="cannot be read"):
        backbone("resnet_tiny", pretrained=tmp_path)


def test_names_and_sizes_that_are_none():
    with pytest.raises(ValueError, match=r"no backbone 'resnet81'. Did you mean resnet18\?"):
        backbone("resnet81")
    with pytest.raises(
        ValueError, match="vit cuts images in pieces and needs a side that is a multiple of 8"
    ):
        backbone("vit", image_size=50)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model_type": "bert"}, "type 'bert'"),
        ({"image_size": "large"}, "for images of large pixels"),
        ({"hidden_sizes": [16, 32, 64, 10**9]}, "larger than any"),
        ({"depths": [1, 1, 1, 10**4]}, "larger than any"),
        ({"layer_type": "none"}, "No backbone can be made"),
    ],
)
def test_a_stranger_cannot_ask_for_anything(change, sentence):
    with pytest.raises(DataError, match=sentence):
        backbone_of(backbone("resnet_tiny").config | change)
