"""What to learn from FER+'s ten votes, as its authors did.

Barsoum et al. (2016). Training deep networks for facial expression recognition with crowd-sourced label
distribution. ICMI 2016. doi:10.1145/2993148.2993165. The rules are those of the code that they published,
https://github.com/microsoft/FERPlus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["FERPLUS_EMOTIONS", "FERPLUS_TARGETS", "VOTED", "ferplus_majority", "ferplus_probability"]

FERPLUS_EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
VOTED = (*FERPLUS_EMOTIONS, "unknown", "NF")  # NF: not a face.

_MOST = 3


def _without_outliers(votes: Mapping[str, float]) -> dict[str, float]:
    """Drop what one annotator alone saw."""
    return {name: votes[name] for name in VOTED if votes.get(name, 0.0) > 1}


def _normalised(votes: Mapping[str, float]) -> dict[str, float]:
    total = sum(votes.get(name, 0.0) for name in FERPLUS_EMOTIONS)
    return {name: votes.get(name, 0.0) / total for name in FERPLUS_EMOTIONS}


def ferplus_majority(votes: Mapping[str, float]) -> dict[str, float] | None:
    """Take the emotion that more than half of the votes are for.

    Parameters
    ----------
    votes : mapping of str to float
        `Face.votes` of FER+: annotators per emotion, "unknown" and "NF". Single votes do not count.

    Returns
    -------
    target : dict of str to float, or None
        1 for that emotion and 0 for the other seven; None if there is none, which leaves the image out.

    Examples
    --------
    >>> target = ferplus_majority({"neutral": 6, "sadness": 3, "anger": 1})
    >>> [emotion for emotion, weight in target.items() if weight]
    ['neutral']
    >>> ferplus_majority({"neutral": 5, "sadness": 5}) is None
    True
    """
    counted = _without_outliers(votes)
    top = max(counted, key=counted.__getitem__, default="unknown")
    if top not in FERPLUS_EMOTIONS or counted[top] <= 0.5 * sum(counted.values()):
        return None
    return _normalised({top: counted[top]})


def ferplus_probability(votes: Mapping[str, float]) -> dict[str, float] | None:
    """Take the emotions with most votes until they have three quarters of them, as probabilities.

    Emotions are taken from the top, equal ones together, until they have 75 % of all votes, there are three,
    or it is the turn of "unknown" or "NF".

    Parameters
    ----------
    votes : mapping of str to float
        `Face.votes` of FER+: annotators per emotion, "unknown" and "NF". Single votes do not count.

    Returns
    -------
    target : dict of str to float, or None
        Probability of each of the eight emotions; None, which leaves the image out, if those taken are more
        than three or have no more than half of the votes.

    Examples
    --------
    >>> target = ferplus_probability({"neutral": 6, "sadness": 2, "anger": 2})
    >>> {emotion: weight for emotion, weight in target.items() if weight}
    {'neutral': 0.6, 'sadness': 0.2, 'anger': 0.2}
    >>> ferplus_probability({"unknown": 6, "sadness": 4}) is None
    True
    """
    counted = _without_outliers(votes)
    total = sum(counted.values())
    taken: dict[str, float] = {}
    for count in sorted(set(counted.values()), reverse=True):
        if sum(taken.values()) >= 0.75 * total or len(taken) >= _MOST:
            break
        level = [name for name, votes_for in counted.items() if votes_for == count]
        taken |= {name: count for name in level if name in FERPLUS_EMOTIONS}
        if not set(level) <= set(FERPLUS_EMOTIONS):
            break
    if len(taken) > _MOST or sum(taken.values()) <= 0.5 * total:
        return None
    return _normalised(taken)


FERPLUS_TARGETS: Mapping[str, Callable[[Mapping[str, float]], dict[str, float] | None]] = {
    "majority": ferplus_majority,
    "probability": ferplus_probability,
}
