"""Windows to labelled features, one file a family."""

from physioaffect.features.defaults import FAMILIES, default_recipe
from physioaffect.features.extraction import Extracted, extract, features_of_trial
from physioaffect.features.recipe import Family, Recipe, Step

__all__ = [
    "FAMILIES",
    "Extracted",
    "Family",
    "Recipe",
    "Step",
    "default_recipe",
    "extract",
    "features_of_trial",
]
