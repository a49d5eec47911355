"""What the help of the commands lists is what there is."""

from typing import get_args, get_type_hints

import pytest

from physioaffect import cli
from physioaffect.cli_options import FeaturesOption
from physioaffect.evaluation import MODELS, PROTOCOLS
from physioaffect.evaluation.models.named import WRAPPERS
from physioaffect.features.defaults import FAMILIES
from physioaffect.graphs import NETWORKS
from physioaffect.reproduce import SYSTEMS


def help_of(option: object) -> str:
    return str(get_args(option)[1].help)


def option_of(command: str, name: str) -> object:
    return get_type_hints(getattr(cli, command), include_extras=True)[name]


def words_in(text: str) -> set[str]:
    return {word.strip(".,:;()") for word in text.replace("[", " ").split()}


def test_all_families_of_features():
    assert set(FAMILIES) <= words_in(help_of(FeaturesOption))


def test_all_models_and_networks():
    assert {*MODELS, *NETWORKS} <= words_in(help_of(option_of("evaluate", "model")))
    assert set(NETWORKS) <= set(MODELS)


def test_wrappers_are_examples_of_the_wrapped():
    named = [word for word in words_in(help_of(option_of("evaluate", "model"))) if "+" in word]
    assert named
    for word in named:
        *wrappers, model = word.split("+")
        assert set(wrappers) <= set(WRAPPERS)
        assert model in MODELS


# The command takes one data set.
@pytest.mark.parametrize("name", sorted({*PROTOCOLS} - {"cross_dataset"}))
def test_every_protocol_by_its_stem(name):
    told = words_in(help_of(option_of("evaluate", "protocol")))
    stem = name.removesuffix("_transductive")
    while stem not in told and "_" in stem:
        stem = stem.rpartition("_")[0]
    assert stem in told


def test_all_systems():
    assert set(SYSTEMS) <= words_in(help_of(option_of("reproduce", "name")))
