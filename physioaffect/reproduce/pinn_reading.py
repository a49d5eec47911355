"""What the multi-task network's published numbers show and do not show, with the numbers of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from physioaffect.data_set import Exclusion
from physioaffect.reproduce.pinn_folds import EDA_SCORES, NEAREST, OVER, PROTOCOLS, eda_mean_of
from physioaffect.reproduce.pinn_windows import PinnTable
from physioaffect.reproduce.scores import PLAIN_SCORES, mean_of
from physioaffect.reproduce.values import Request

__all__ = ["differences_of", "read_numbers", "tell_left_out"]


def _value(predictions: pd.DataFrame, protocol: str, inputs: str, model: str, measure: str) -> str:
    """One number of the table as a text."""
    part = predictions[
        (predictions["protocol"] == protocol)
        & (predictions["inputs"] == inputs)
        & (predictions["model"] == model)
    ]
    over = OVER[protocol]
    if measure in EDA_SCORES:
        found = eda_mean_of(part, measure, over=over).mean
    else:
        plain = part.drop(columns=["eda", "eda_predicted", "eda_range"])
        found = mean_of(plain, PLAIN_SCORES[measure], over=over).mean
    return "undefined" if np.isnan(found) else f"{found:.1f}"


def read_numbers(predictions: pd.DataFrame, constants: pd.DataFrame, table: PinnTable) -> tuple[str, ...]:
    """What the published numbers show and do not show, with the numbers of this run."""
    answers: dict[tuple[float, ...], set[str]] = {}
    for row, condition in zip(table.reports, table.conditions, strict=True):
        answers.setdefault(tuple(row), set()).add(str(condition))
    n_conditions = len(np.unique(table.conditions))
    n_unique = sum(len(own) == 1 for own in answers.values())

    def of(measure: str, inputs: str, model: str = "pinn") -> list[str]:
        return [_value(predictions, protocol.name, inputs, model, measure) for protocol in PROTOCOLS]

    answered, sensed = of("macro_f1", "self-reports only"), of("macro_f1", "signals only")
    copied, predicted = of("eda_r", "both", NEAREST), of("eda_r", "both")
    rates = constants[(constants["constant"] == "gamma alpha_0") & (constants["inputs"] == "both")]
    spread = "; ".join(
        f"{protocol} {own['value'].mean():.3g} (folds {own['value'].min():.3g} to {own['value'].max():.3g})"
        for protocol, own in rates.groupby("protocol", sort=False)
    )
    return (
        "The leak test. Self-reports are given once a condition, after it: of "
        f"{n_conditions} conditions here, {n_unique} have answers that no other has, so that the answers "
        "name person and condition. From self-reports alone, without any signal, the network's macro-F1 is "
        f"{answered[0]} % with random windows, {answered[1]} % when the condition was not in training, "
        f"and {answered[2]} % for new people; from signals alone {sensed[0]}, {sensed[1]} and {sensed[2]} %.",
        "94.08 % therefore does not show that emotion was recognised from the body: if folds were random "
        "over windows, looking the questionnaire up names every condition whose answers are its own, and "
        "even with people held out what somebody says they felt is close to the label itself. It does show "
        "that a network can learn both tasks at once.",
        "0.9919 and 0.0362 do not show that EDA was predicted from anything but itself: copying the EDA of "
        "the training window that is nearest in time, without any model, gives r = "
        f"{copied[0]} % with random windows, the network {predicted[0]} %; with the condition held out the "
        f"network gives {predicted[1]} %, with the person held out {predicted[2]} % (within people). They do "
        "show that a smooth function of time and answers can interpolate a slow signal.",
        "Constants that are stable over folds show that folds share most of their windows. alpha_0, beta "
        "and gamma cannot be told apart singly (gamma times c, the others divided by c, is the same "
        "equation), so whether each is stable is a matter of where training began. What can be told, with "
        f"intervals, is in constants.csv. gamma alpha_0 in 1/s: {spread}; where it is 0.000093, the end of "
        "the search (a time constant of three hours), no decay was found.",
        "The residual holds the trace to one rate for everybody and to a level that the answers set. Skin "
        "does not obey this equation; the constants are those of the one that fits best.",
    )


def tell_left_out(exclusions: Sequence[Exclusion]) -> tuple[str, ...]:
    """Say in a sentence which conditions nobody expected to be unusable; nothing if there are none."""
    unexpected = [exclusion.reason for exclusion in exclusions if not exclusion.expected]
    if not unexpected:
        return ()
    listed = "; ".join(unexpected[:5])
    more = f"; and {len(unexpected) - 5} more in exclusions.csv" if len(unexpected) > 5 else ""
    return (f"Left out: {listed}{more}",)


def differences_of(request: Request) -> tuple[str, ...]:
    """In what this is not what was published, in sentences."""
    quick = (
        "Quick: three people unless others were named, 200 steps, one ablation and one baseline: whether it "
        "runs, no estimate.",
    )
    return (
        *(quick if request.is_quick else ()),
        "Neither code nor more than the abstract can be read: the equation's form, the classes, windows, "
        "scaling, layers, weights and folds are ours; theirs are inputs of physiology, PANAS and SAM, two "
        "heads, an equation with alpha_0, beta and gamma, its squared residual in the loss, and five folds.",
        "EDA is the wrist's, its mean over 10 s in the middle of each minute; windows of a minute every "
        "10 s, so that with random folds a test window shares up to five sixths of its samples with another "
        "in training.",
        "No feature of EDA is in the input: it would be read off. The physiology is heart rate from the "
        "pulse, skin temperature and acceleration.",
        "The class head and the classifiers do not see the time within the condition, which tells long "
        "conditions from short ones; the EDA head and the regressors do.",
        "RMSE is in per cent of the range of EDA in training. 0.0362 is printed without a unit.",
        "r and CCC are of all windows of a fold, or of a person; where every prediction is the same they are "
        "not defined, and the unit is left out.",
        "Boosted trees are scikit-learn's in XGBoost's place; svm is a Gaussian kernel with C = 1.",
        "trials_5fold (conditions dealt into five folds, people known) and loso are ours; no result with "
        "conditions or people held out was published.",
    )
