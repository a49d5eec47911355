"""The families by name, and the recipe that a data set gets when nobody asks for another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from physioaffect.data_set import DataSet
from physioaffect.errors import DataError
from physioaffect.features.aperiodic import Aperiodic
from physioaffect.features.asymmetry import ASM, DASM, DCAU, RASM
from physioaffect.features.bands import SEED_BANDS, Bands
from physioaffect.features.complexity import Hjorth, LineLength
from physioaffect.features.connectivity import Connectivity
from physioaffect.features.coupling import EDAHeartCoupling
from physioaffect.features.covariance import Covariance
from physioaffect.features.differential_entropy import DifferentialEntropy
from physioaffect.features.eda import EDA
from physioaffect.features.emg import EMG
from physioaffect.features.fractal import FractalDimension
from physioaffect.features.frontal_alpha import FrontalAlphaAsymmetry
from physioaffect.features.heart import HeartRate
from physioaffect.features.hrv import HRV
from physioaffect.features.motion import Motion
from physioaffect.features.recipe import Family, Recipe, Step
from physioaffect.features.respiration import Respiration
from physioaffect.features.respiration_heart import RespirationHeartCoupling
from physioaffect.features.rotation import Rotation
from physioaffect.features.smoothing import Smoothing
from physioaffect.features.spectral import BandPower, SpectralEntropy
from physioaffect.features.temperature import Temperature
from physioaffect.features.topomap import TopographicMap
from physioaffect.signals.beats import SLOWEST_HZ, BeatsFromECG, BeatsFromPPG, BeatsOfHeart
from physioaffect.signals.eeg import EEGCleaning
from physioaffect.signals.quality import MarkQuality
from physioaffect.windows import Windowing

__all__ = ["FAMILIES", "default_recipe", "usual_cleaning"]


def _bands(dataset: DataSet) -> Bands:
    return SEED_BANDS.within(dataset.passband)


def _entropy(dataset: DataSet) -> DifferentialEntropy:
    return DifferentialEntropy(bands=_bands(dataset))


def _edges(dataset: DataSet) -> tuple[float, float]:
    low, high = dataset.passband or (1.0, 45.0)
    return max(low, 1.0), min(high, 45.0)


FAMILIES: dict[str, Callable[[DataSet], Family]] = {
    "de": _entropy,
    "dasm": lambda dataset: DASM(entropy=_entropy(dataset)),
    "rasm": lambda dataset: RASM(entropy=_entropy(dataset)),
    "asm": lambda dataset: ASM(entropy=_entropy(dataset)),
    "dcau": lambda dataset: DCAU(entropy=_entropy(dataset)),
    "faa": lambda _: FrontalAlphaAsymmetry(),
    "topomap": lambda dataset: TopographicMap(entropy=_entropy(dataset)),
    "band_power": lambda dataset: BandPower(bands=_bands(dataset), scale="log"),
    "spectral_entropy": lambda dataset: SpectralEntropy(edges=_edges(dataset)),
    "aperiodic": lambda dataset: Aperiodic(edges=_edges(dataset)),
    "hjorth": lambda _: Hjorth(),
    "line_length": lambda _: LineLength(),
    "fractal_dimension": lambda _: FractalDimension(),
    "connectivity": lambda dataset: Connectivity(bands=_bands(dataset)),
    "covariance": lambda _: Covariance(),
    "eda": lambda _: EDA(decompose="convex"),
    "hr": lambda _: HeartRate(),
    "temperature": lambda _: Temperature(),
    "motion": lambda _: Motion(),
    "rotation": lambda _: Rotation(),
    "hrv": lambda _: HRV(),
    "respiration": lambda _: Respiration(),
    "emg": lambda _: EMG(),
    "eda_heart": lambda _: EDAHeartCoupling(),
    "resp_heart": lambda _: RespirationHeartCoupling(),
}
"""Families by name, each as it suits a data set: with bands inside what its recordings still hold."""

_USUAL = ("de", "eda", "hr", "temperature", "motion")
# Of what nobody has looked through. Beats are often missing there, and with them what is made of them.
_OF_EXPORTS = (
    *_USUAL,
    "rotation",
    "hrv",
    "respiration",
    "emg",
    "eda_heart",
    "resp_heart",
)
# Samples per second of a heart rate that is made of beats: as many as a wristband tells.
_RATE_SFREQ = 1.0


def usual_cleaning(dataset: DataSet) -> tuple[Step, ...]:
    """The steps that suit a data set's signals: `EEGCleaning` where there is EEG, elsewhere `MarkQuality`."""
    # The rest before a trial is often shorter than the filter.
    return (EEGCleaning(baseline_joins=True),) if "eeg" in dataset.sfreqs else (MarkQuality(),)


def _of_heart(dataset: DataSet) -> set[str]:
    """The signals in which beats can be found."""
    return {name for name, least in SLOWEST_HZ.items() if dataset.sfreqs.get(name, 0.0) >= least}


def _finders(steps: Sequence[Step]) -> list[BeatsFromECG | BeatsFromPPG]:
    """The steps that find beats, also those inside another."""
    found = [step for step in steps if isinstance(step, BeatsFromECG | BeatsFromPPG)]
    inside = [part for step in steps if isinstance(step, BeatsOfHeart) for part in (step.ecg, step.ppg)]
    return [*found, *inside]


def _signals(dataset: DataSet, steps: Sequence[Step]) -> set[str]:
    """What a trial holds or can be given."""
    signals = set(dataset.sfreqs)
    if not _of_heart(dataset):
        return signals
    finders = _finders(steps)
    makes_rate = any(one.rate_sfreq is not None for one in finders) if finders else dataset.is_raw_export
    return {*signals, "ibi", *(["hr"] if makes_rate else [])}


def _beats(dataset: DataSet, families: Sequence[Family], steps: Sequence[Step]) -> tuple[Step, ...]:
    """The step that finds beats, if a family is made of them and no step given finds them."""
    read = {name for family in families for name in family.signals}
    makes_rate = dataset.is_raw_export and "hr" in read
    there = _of_heart(dataset)
    if not there or _finders(steps) or not ("ibi" in read or makes_rate):
        return ()
    sfreq = _RATE_SFREQ if makes_rate else None
    # That the data set has a rate tells of some recordings, not of all.
    keeps_own_rate = makes_rate and "hr" in dataset.sfreqs
    ecg = BeatsFromECG(rate_sfreq=sfreq, keeps_own_rate=keeps_own_rate)
    ppg = BeatsFromPPG(rate_sfreq=sfreq, keeps_own_rate=keeps_own_rate)
    if there == {"ecg", "ppg"}:
        return (BeatsOfHeart(ecg=ecg, ppg=ppg),)
    return (ecg,) if "ecg" in there else (ppg,)


def _instead(lacking: Sequence[str]) -> str:
    if not {"ibi", "hr"} & set(lacking):
        return ""
    return (
        f" Beats are found in an ecg of {SLOWEST_HZ['ecg']:g} Hz or a ppg of {SLOWEST_HZ['ppg']:g} Hz or "
        "more; BeatsFromECG(rate_sfreq=1) or BeatsFromPPG(rate_sfreq=1) among the cleaning steps makes hr of "
        "them."
    )


def default_recipe(
    dataset: DataSet,
    *,
    families: Sequence[str] | None = None,
    window: float | None = None,
    step: float | None = None,
    cleaning: Sequence[Step] | None = None,
    baseline: Literal["ratio", "subtract", "z"] | None = None,
    smoothing: Sequence[Smoothing] = (),
) -> Recipe:
    """Make the usual recipe of a data set: its own windows, and the usual families of the signals it has.

    Parameters
    ----------
    dataset : DataSet
        Says the windows, the signals and the band that its EEG still holds.
    families : sequence of str, optional
        Names of ``FAMILIES``. Default: de, eda, hr, temperature and motion, as far as there are signals; of
        raw exports of devices every family of the body that fits, ``hr`` also where there are beats only.
    window, step : float, optional
        Length and step of the windows in seconds instead of the data set's own; a window without a step
        means no overlap.
    cleaning : sequence of Step, optional
        As in `Recipe`. Default: none, or `MarkQuality` of raw exports of devices. Families that are made
        of beats get a step that finds them where no step given does. Of raw exports that step makes the
        heart rate too, once a second, of every recording whose device tells none (`BeatsFromPPG`,
        ``keeps_own_rate``).
    baseline, smoothing
        As in `Recipe`. Default: none.

    Raises
    ------
    DataError
        If a family is unknown, or none fits.
    """
    if cleaning is None:
        # An EEG that is in the folder, too, may be too short for its filters: it is cleaned if asked for.
        cleaning = (MarkQuality(),) if dataset.is_raw_export else ()
    signals = _signals(dataset, cleaning)
    if families is None:
        usual = _OF_EXPORTS if dataset.is_raw_export else _USUAL
        made = [FAMILIES[name](dataset) for name in usual]
        features = tuple(family for family in made if set(family.signals) <= signals)
    else:
        if unknown := [name for name in families if name not in FAMILIES]:
            raise DataError(f"Unknown features {unknown[0]!r}: use some of {', '.join(FAMILIES)}.")
        features = tuple(FAMILIES[name](dataset) for name in families)
        for family in features:
            if lacking := sorted(set(family.signals) - signals):
                raise DataError(
                    f"Features {family.name} need {', '.join(lacking)}; {dataset.title} has "
                    f"{', '.join(sorted(dataset.sfreqs))}.{_instead(lacking)}"
                )
    if not features:
        raise DataError(
            f"No family of features fits the signals of {dataset.title}: {', '.join(dataset.sfreqs)}."
        )
    windows = Windowing(
        duration=dataset.window if window is None else window,
        step=step if step is not None or window is not None else dataset.step,
        last=dataset.last,
    )
    return Recipe(
        windows=windows,
        cleaning=(*cleaning, *_beats(dataset, features, cleaning)),
        features=features,
        baseline=baseline,
        smoothing=tuple(smoothing),
    )
