"""session.xml of MAHNOB-HCI: who watched what, and how it felt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from physioaffect.errors import DataError

__all__ = ["RATINGS", "Session", "read_session"]

RATINGS: Mapping[str, str] = {
    "valence": "feltVlnc",
    "arousal": "feltArsl",
    "dominance": "feltCtrl",
    "predictability": "feltPred",
}
"""Attributes by the names of the ratings, each from 1 to 9."""

EMOTIONS = (0, 1, 2, 3, 4, 5, 6, 11, 12)
_LARGEST_FILE = 2**20
_WHOLE = re.compile(r"\s*(\d{1,2})\s*", re.ASCII)
_NAME = re.compile(r"[\w .()+-]{1,100}", re.ASCII)
_ADVICE = "Use the file as it was distributed, or leave the folder out."


class Session(NamedTuple):
    """What one session.xml says; ``ratings`` is None for a clip that nobody rated."""

    subject: str
    stimulus: str
    ratings: dict[str, float] | None


def _attribute(
    attributes: Mapping[str, str], name: str, path: Path, allowed: range | tuple[int, ...]
) -> float:
    """Take a whole number, NaN if the attribute is not there."""
    if name not in attributes:
        return float("nan")
    found = _WHOLE.fullmatch(attributes[name])
    if found is None or int(found[1]) not in allowed:
        listed = (
            f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
        )
        raise DataError(f"{path} has {name}={attributes[name][:40]!r}; expected one of {listed}. {_ADVICE}")
    return float(found[1])


def read_session(path: Path) -> Session:
    """Read one session.xml.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Session
        ``subject`` is the id of the child ``subject``, ``stimulus`` the attribute ``mediaFile``. Ratings that
        are missing beside ``feltArsl`` and ``feltVlnc`` are NaN; ``emotion`` is the code of ``feltEmo``.

    Raises
    ------
    DataError
        If it is no such file, declares entities, or has a value that cannot be.
    """
    from xml.etree.ElementTree import ParseError  # noqa: PLC0415  Only for those who read this data set.

    from defusedxml import DefusedXmlException  # noqa: PLC0415
    from defusedxml.ElementTree import fromstring  # noqa: PLC0415

    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. {_ADVICE}") from None
    if len(content) > _LARGEST_FILE:
        raise DataError(
            f"{path} has more than {_LARGEST_FILE // 2**10} kB, so it is no session.xml. {_ADVICE}"
        )
    try:
        root = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise DataError(
            f"{path} declares a document type or entities, which are not read. {_ADVICE}"
        ) from None
    except (ParseError, LookupError, ValueError) as error:
        raise DataError(f"{path} is no readable XML ({error}). {_ADVICE}") from None
    subject = root.find("subject")
    if root.tag != "session" or subject is None:
        raise DataError(
            f"{path} holds <{root.tag[:40]}>; expected <session> with a <subject id=...> in it. {_ADVICE}"
        )
    number, stimulus = subject.get("id", ""), root.get("mediaFile", "")
    if _WHOLE.fullmatch(number) is None:
        raise DataError(f"{path} has the subject id {number[:40]!r}; expected a number. {_ADVICE}")
    if "feltArsl" not in root.attrib:
        return Session(str(int(number)), stimulus, None)
    if _NAME.fullmatch(stimulus) is None:
        raise DataError(f"{path} has mediaFile={stimulus[:40]!r}; expected the name of a clip. {_ADVICE}")
    ratings = {
        name: _attribute(root.attrib, attribute, path, range(1, 10)) for name, attribute in RATINGS.items()
    }
    if ratings["valence"] != ratings["valence"]:  # NaN.
        raise DataError(f"{path} has feltArsl but no feltVlnc. {_ADVICE}")
    ratings["emotion"] = _attribute(root.attrib, "feltEmo", path, EMOTIONS)
    return Session(str(int(number)), stimulus, ratings)
