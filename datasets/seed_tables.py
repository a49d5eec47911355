"""Labels, dates and times of SEED, SEED-IV and SEED-V, as several independent readers have them."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "SEED_DATES",
    "SEED_EMOTIONS",
    "SEED_IV_DATES",
    "SEED_IV_EMOTIONS",
    "SEED_IV_LABELS",
    "SEED_IV_NAMES",
    "SEED_IV_SECONDS",
    "SEED_LABELS",
    "SEED_SECONDS",
    "SEED_STARTS",
    "SEED_V_EMOTIONS",
    "SEED_V_LABELS",
    "SEED_V_NAMES",
    "SEED_V_STARTS",
    "SEED_V_STOPS",
]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split())


SEED_LABELS = _numbers("1 0 -1 -1 0 1 -1 0 1 1 0 -1 0 1 -1")
SEED_EMOTIONS = tuple(("neutral", "positive", "negative")[label] for label in SEED_LABELS)
SEED_SECONDS = _numbers("235 233 206 238 185 195 237 216 265 237 235 233 235 238 206")
# Of SEED_RAW_EEG, whose trials last as long.
SEED_STARTS = _numbers("27 290 551 784 1050 1262 1484 1748 1993 2287 2551 2812 3072 3335 3599")

_SEED_DATES = (
    "20131027 20131030 20131107  20140404 20140413 20140419  20140603 20140611 20140629 "
    "20140621 20140702 20140705  20140411 20140418 20140506  20130712 20131016 20131113 "
    "20131027 20131030 20131106  20140511 20140514 20140521  20140620 20140627 20140704 "
    "20131130 20131204 20131211  20140618 20140625 20140630  20131127 20131201 20131207 "
    "20140527 20140603 20140610  20140601 20140615 20140627  20130709 20131016 20131105"
)
SEED_DATES: Mapping[int, tuple[str, ...]] = {
    number: tuple(_SEED_DATES.split()[3 * number - 3 : 3 * number]) for number in range(1, 16)
}
"""Dates of each person's sessions."""

SEED_IV_NAMES = ("neutral", "sad", "fear", "happy")
SEED_IV_LABELS = (
    _numbers("1 2 3 0 2 0 0 1 0 1 2 1 1 1 2 3 2 2 3 3 0 3 0 3"),
    _numbers("2 1 3 0 0 2 0 2 3 3 2 3 2 0 1 1 2 1 0 3 0 1 3 1"),
    _numbers("1 2 2 1 3 3 3 1 1 2 1 0 2 3 3 0 2 3 0 0 2 0 1 0"),
)
SEED_IV_EMOTIONS = tuple(tuple(SEED_IV_NAMES[label] for label in labels) for labels in SEED_IV_LABELS)
# Of the first session, from its frames of 4 s; those of the others are not known.
SEED_IV_SECONDS = tuple(
    4 * frames
    for frames in _numbers("42 23 49 32 22 40 38 52 36 42 12 27 54 42 64 35 17 44 35 12 28 28 43 34")
)
_SEED_IV_DATES = (
    "20160518 20150915 20150919 20151111 20160406 20150507 20150715 20151103 20151028 20151014 20150916 "
    "20150725 20151115 20151205 20150508",
    "20161125 20150920 20151018 20151118 20160413 20150511 20150717 20151110 20151119 20151021 20150921 "
    "20150804 20151125 20151208 20150514",
    "20161126 20151012 20151101 20151123 20160420 20150512 20150721 20151117 20151209 20151023 20151011 "
    "20150807 20161130 20151215 20150527",
)
SEED_IV_DATES: Mapping[int, tuple[str, ...]] = {
    number: tuple(dates.split()[number - 1] for dates in _SEED_IV_DATES) for number in range(1, 16)
}

SEED_V_NAMES = ("disgust", "fear", "sad", "neutral", "happy")
_SEED_V_SECOND = _numbers("2 1 3 0 4 4 0 3 2 1 3 4 1 2 0")
SEED_V_LABELS = (_numbers("4 1 3 2 0 4 1 3 2 0 4 1 3 2 0"), _SEED_V_SECOND, _SEED_V_SECOND)
SEED_V_EMOTIONS = tuple(tuple(SEED_V_NAMES[label] for label in labels) for labels in SEED_V_LABELS)
SEED_V_STARTS = (
    _numbers("30 132 287 555 773 982 1271 1628 1730 2025 2227 2435 2667 2932 3204"),
    _numbers("30 299 548 646 836 1000 1091 1392 1657 1809 1966 2186 2333 2490 2741"),
    _numbers("30 353 478 674 825 908 1200 1346 1451 1711 2055 2307 2457 2726 2888"),
)
SEED_V_STOPS = (
    _numbers("102 228 524 742 920 1240 1568 1697 1994 2166 2401 2607 2901 3172 3359"),
    _numbers("267 488 614 773 967 1059 1331 1622 1777 1908 2153 2302 2428 2709 2817"),
    _numbers("321 418 643 764 877 1147 1284 1418 1679 1996 2275 2425 2664 2857 3066"),
)
