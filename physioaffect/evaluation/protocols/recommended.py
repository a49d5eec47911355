"""Which protocol to use for which data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from physioaffect.errors import ProtocolError

__all__ = ["RECOMMENDED", "Recommendation", "recommended"]


class Recommendation(NamedTuple):
    """Names of protocols for a data set, and what to know about them.

    ``primary`` is what to report first; ``secondary`` adds to it, or compares with what others published.
    """

    primary: str
    secondary: tuple[str, ...]
    tasks: tuple[str, ...]
    note: str


_SEED = Recommendation(
    "loso",
    ("front_back_9", "cross_session", "loso_stimulus_3fold"),
    ("emotion",),
    "The published 9/6 is front_back_9 (45 runs). Every session shows the same 15 clips, and a clip fixes "
    "the emotion, so under loso and cross_session a clip may be known again: loso_stimulus_3fold tells. "
    "Report loso on session 1 alone, too.",
)
_DEAP = Recommendation(
    "loso",
    ("within_subject_trial_10fold", "loso_stimulus_3fold"),
    ("valence", "arousal"),
    "Ratings are each person's own. At or near chance under loso with current methods.",
)
_WESAD = Recommendation(
    "loso",
    ("calibrated_rest_300s",),
    ("stress", "affect_3class"),
    "Order and posture tell the conditions apart, so compare with the clock. calibrated_rest_300s takes the "
    "baseline out of the test, so it is for the task stress only.",
)
_EEGMAT = Recommendation(
    "loso",
    ("loso_transductive",),
    ("arithmetic",),
    "One trial of each class a person, rest always first: nothing within a person can be held out, and the "
    "clock is always right.",
)

RECOMMENDED: Mapping[str, Recommendation] = {
    "deap": _DEAP,
    "deap_original": _DEAP,
    "dreamer": Recommendation(
        "loso",
        ("within_subject_trial_loto", "loso_stimulus_3fold"),
        ("valence", "arousal"),
        "18 clips a person, so leave one trial out within a person. At or near chance under loso with "
        "current methods.",
    ),
    "eegmat": _EEGMAT,
    "eegmat_whole": _EEGMAT,
    "mahnob": Recommendation(
        "loso",
        ("within_subject_trial_loto",),
        ("valence", "arousal"),
        "Over people with complete data. State which threshold the task has (4.5, or 5 in valence_le5).",
    ),
    "seed": _SEED,
    "seed_iv": Recommendation(
        "loso",
        ("front_back_16", "cross_session", "loso_stimulus_3fold"),
        ("emotion",),
        "The published 16/8 is front_back_16. Clips differ between sessions, so cross_session is a real "
        "test.",
    ),
    "seed_raw": _SEED,
    "seed_v": Recommendation(
        "loso",
        ("trial_blocks_3fold", "cross_session"),
        ("emotion",),
        "The published three folds are trials 1 to 5, 6 to 10 and 11 to 15 of every session: "
        "trial_blocks_3fold.",
    ),
    "stress_predict": Recommendation(
        "loso",
        ("within_subject_trial", "calibrated_rest_60s"),
        ("stress",),
        "Rest and tasks alternate in one order for all, so compare with the clock.",
    ),
    "watch": Recommendation(
        "loso",
        ("cross_stimulus", "loso_stimulus_3fold"),
        ("valence",),
        "Everyone meets the same clips, so hold clips out as well; of a clip's makers' category loso alone "
        "says little.",
    ),
    "wesad": _WESAD,
    "wesad_chest": _WESAD,
}
"""By name of the data set."""


def recommended(dataset: str) -> Recommendation:
    """Look up which protocols suit a data set.

    Parameters
    ----------
    dataset : str
        Its name.

    Raises
    ------
    ProtocolError
        If there is no recommendation for it.

    Examples
    --------
    >>> recommended("seed_iv").secondary[0]
    'front_back_16'
    """
    if dataset not in RECOMMENDED:
        raise ProtocolError(
            f"There is no recommendation for {dataset!r}, only for {', '.join(RECOMMENDED)}. Use loso, and "
            "for stimuli that everyone met loso_stimulus as well."
        )
    return RECOMMENDED[dataset]
