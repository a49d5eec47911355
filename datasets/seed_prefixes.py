"""Whose file it is by what is in it: SEED's trials are named after the initials of whoever was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from physioaffect.errors import DataError

from .formats.matlab import browse
from .seed_files import TRIAL_NAME, Person

__all__ = ["with_doubts"]


def _prefix(path: Path) -> str:
    """Tell what all trials of a file have in front of their number; nothing if that is not one name."""
    try:
        with browse(path, "x_eeg1") as variables:
            found = {named[1] for name in variables.shapes if (named := TRIAL_NAME.fullmatch(name))}
    except DataError:  # Which is said when the file is read.
        return ""
    return found.pop() if len(found) == 1 else ""


def with_doubts(people: Mapping[str, Person]) -> dict[str, Person]:
    """Note sessions whose trials are named as another person's, while the person's others have one name.

    That is how two files look that were swapped, each under the other's name. It is a doubt and no fault:
    the makers say nowhere that the initials hold.
    """
    prefixes = {session.path: _prefix(session.path) for own in people.values() for session in own.sessions}
    return {
        subject: replace(person, doubts=_doubts(subject, people, prefixes))
        for subject, person in people.items()
    }


def _doubts(subject: str, people: Mapping[str, Person], prefixes: Mapping[Path, str]) -> tuple[str, ...]:
    doubts = []
    paths = [session.path for session in people[subject].sessions]
    for path in paths:
        prefix, siblings = prefixes[path], {prefixes[other] for other in paths if other != path} - {""}
        alike = [
            other
            for other, person in people.items()
            if other != subject and any(prefixes[session.path] == prefix for session in person.sessions)
        ]
        if prefix and len(siblings) == 1 and prefix not in siblings and alike:
            doubts.append(
                f"{path} names its trials {prefix}_eeg1 and so on, as a file of subject {alike[0]} does; the "
                f"other sessions of subject {subject} have {siblings.pop()}. The names are "
                "people's initials, so files of two people may have been swapped: compare with the original."
            )
    return tuple(doubts)
