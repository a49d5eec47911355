"""Cleaning EEG: one fixed order of steps, and a record of what each of them did to which channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, overload

import numpy as np

from physioaffect.errors import DataError, ProtocolError
from physioaffect.recording import Events, Signal, Trial
from physioaffect.signals.eeg_artefacts import ASR, ICA, EyeRegression
from physioaffect.signals.eeg_bad_channels import BadChannels, Unusable
from physioaffect.signals.eeg_context import Learned, Recording
from physioaffect.signals.eeg_filter import BandPass
from physioaffect.signals.eeg_line import LineNoise
from physioaffect.signals.eeg_report import CleaningReport, StepRecord, percent
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.signals.eeg_segments import BadSegments
from physioaffect.signals.eeg_steps import clean

if TYPE_CHECKING:
    import mne

__all__ = [
    "ASR",
    "ICA",
    "BadChannels",
    "BadSegments",
    "BandPass",
    "Cleaned",
    "CleaningReport",
    "EEGCleaning",
    "EyeRegression",
    "LineNoise",
    "StepRecord",
    "Unusable",
    "clean_eeg",
]

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, kw_only=True)
class EEGCleaning:
    """How EEG is cleaned; the fields stand in the order of the steps, and None leaves a step out.

    Calling it cleans one trial of a data set: a cleaning step of a `physioaffect.features.recipe.Recipe`. The
    trial's tags then tell in one line what was found; `clean_eeg` gives the whole report.

    Parameters
    ----------
    unusable : Unusable, optional
        Extreme and flat samples are set aside first, as are missing and flagged ones (always).
    dc : bool
        Whether the median of each channel is subtracted (it knows the future; causal filters start from the
        first value and need none of it).
    line : LineNoise, optional
        Mains hum. Not needed below a band-pass that ends at 45 Hz.
    band : BandPass, optional
        The pass band. It ends at 45 Hz, since 50 Hz may be the mains; whoever wants SEED's gamma up to 50 Hz
        sets ``BandPass(fmax=50)`` and ``line``.
    bad_channels : BadChannels, optional
        Broken channels are found and interpolated.
    reference : {"average", "rest"} or tuple of str, optional
        Interpolated channels are part of the average, channels that are NaN are not; a channel left alone
        would become zero and is NaN instead. For names
        see `physioaffect.signals.eeg_reference.reference_matrix`.
    eyes : EyeRegression, optional
        Regression on EOG. Samples without EOG are flagged as ``GAP``.
    ica : ICA, optional
        Independent components by label. Needs ``physioaffect[ica]``.
    asr : ASR, optional
        Artifact subspace reconstruction. Needs ``physioaffect[asr]``.
    segments : BadSegments, optional
        Bad stretches are flagged: amplitude as ``OUT_OF_RANGE``, steps and muscle as ``MOTION``.
    sfreq : float, optional
        Sampling rate of the result in Hz.
    signal, eog : str
        Names of the trial's signals; EOG is only read for ``eyes``.
    baseline_joins : bool
        Whether the trial's baseline ends exactly where the trial begins, as DEAP's does: then both are
        cleaned as one recording, and three seconds suffice. Otherwise the baseline is cleaned with what the
        trial taught (bad channels, mains, weights of the EOG, components, subspaces); what is extreme, flat
        or a bad segment in it is told from itself.

    Examples
    --------
    >>> EEGCleaning(band=BandPass(fmin=4, fmax=45), reference=("M1", "M2")).reference
    ('M1', 'M2')
    """

    unusable: Unusable | None = field(default_factory=Unusable)
    dc: bool = True
    line: LineNoise | None = None
    band: BandPass | None = field(default_factory=BandPass)
    bad_channels: BadChannels | None = field(default_factory=BadChannels)
    reference: str | tuple[str, ...] | None = "average"
    eyes: EyeRegression | None = None
    ica: ICA | None = None
    asr: ASR | None = None
    segments: BadSegments | None = field(default_factory=BadSegments)
    sfreq: float | None = None
    signal: str = "eeg"
    eog: str = "eog"
    baseline_joins: bool = False

    name: ClassVar[str] = "eeg_cleaning"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if isinstance(self.reference, str) and self.reference not in ("average", "rest"):
            raise ValueError(
                f"Unknown reference {self.reference!r}: use 'average', 'rest', or a tuple of channel names "
                f"such as ({self.reference!r},)."
            )
        if self.reference == ():
            raise ValueError("A reference needs at least one channel. To keep the old one choose None.")
        if self.sfreq is not None and not self.sfreq > 0:
            raise ValueError(f"The new sampling rate must be above 0 Hz, got {self.sfreq}.")
        if self.asr is not None and (self.band is None or self.band.fmin is None):
            raise ValueError("ASR needs EEG without drifts: set band with an fmin.")

    def __call__(self, trial: Trial) -> Trial:
        """Clean the EEG of a trial and of its baseline.

        Raises
        ------
        DataError
            If the trial has no such signal, or its unit is declared wrongly.
        ProtocolError
            If a filter is longer than the trial or its baseline.
        """
        where = f"The EEG of subject {trial.subject}, trial {trial.trial} of {trial.dataset}"
        before = (trial.baseline or {}).get(self.signal)
        before = before if isinstance(before, Signal) and before.n_times else None
        main = _recording(trial.signal(self.signal), self, _eog(trial.signals, self), where=where)
        if before is None:
            result, report, _ = _clean(main, self, where=where)
            return _replaced(trial, self, result, None, report.note)
        rest = _recording(before, self, _eog(trial.baseline or {}, self), where=f"{where}, baseline")
        if self.baseline_joins:
            result, report, _ = _clean(_joined(rest, main), self, where=f"{where}, with its baseline")
            n_rest = rest.X.shape[1] * result.sfreq / rest.sfreq
            if n_rest != round(n_rest):
                raise ProtocolError(
                    f"A baseline of {rest.X.shape[1]} samples at {rest.sfreq:g} Hz is no whole number of "
                    f"samples at {result.sfreq:g} Hz. Choose another rate."
                )
            rest, result = _cut(result, stop=round(n_rest)), _cut(result, start=round(n_rest))
            return _replaced(trial, self, result, rest, report.note)
        result, report, learned = _clean(main, self, where=where)
        mend = " If the baseline ends where the trial begins, clean both as one: baseline_joins=True."
        rest, rest_report, _ = _clean(rest, self, learned, where=f"{where}, baseline", mend=mend)
        note = report.note
        if rest_report.marked:
            note += f"; baseline {percent(rest_report.marked)} % marked"
        return _replaced(trial, self, result, rest, note)


class Cleaned(NamedTuple, Generic[_Kind]):
    """Clean EEG, of the kind that went in, and what was done to it."""

    recording: _Kind
    report: CleaningReport


@overload
def clean_eeg(
    recording: Signal, cleaning: EEGCleaning | None = None, *, eog: Signal | None = None
) -> Cleaned[Signal]: ...
@overload
def clean_eeg(
    recording: mne.io.BaseRaw, cleaning: EEGCleaning | None = None, *, eog: Signal | None = None
) -> Cleaned[mne.io.BaseRaw]: ...
def clean_eeg(recording: Any, cleaning: EEGCleaning | None = None, *, eog: Signal | None = None) -> Any:
    """Clean a continuous recording of EEG.

    Parameters
    ----------
    recording : Signal or mne.io.BaseRaw
        The whole recording, never single windows. It is not changed. Of a ``Raw`` the channels of type
        ``eeg`` are cleaned; others are only resampled. Recordings joined to one are treated as one, also
        across the joints. Its ``bads`` count as bad, its ``BAD_`` annotations as flags.
    cleaning : EEGCleaning, optional
        What to do.
    eog : Signal, optional
        For the regression on EOG, at the same rate and of the same length. Default: channels of type ``eog``
        of a ``Raw``.

    Returns
    -------
    cleaned : Cleaned
        ``recording`` is of the kind that went in. Samples that were missing, flagged, extreme or flat are
        NaN, and so are bad channels that could not be interpolated; an interpolated channel has values there.
        A ``Raw`` has the latter in its ``bads`` and new flags as annotations named ``bad_<reason>``.

    Raises
    ------
    DataError
        If the unit is declared wrongly, or an extra is not installed.
    ProtocolError
        If a filter is longer than the recording, or a band, reference or EOG is asked for that it lacks.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> data = 1e-5 * np.cumsum(rng.normal(size=(3, 1280)), axis=1)
    >>> eeg = Signal(data=data, sfreq=128.0, ch_names=("Fz", "Cz", "Pz"), kind="eeg", unit="V")
    >>> clean, report = clean_eeg(eeg, EEGCleaning(sfreq=64))
    >>> clean.data.shape
    (3, 640)
    >>> [step.name for step in report.steps]
    ['unusable samples', 'DC', 'band-pass', 'bad channels', 'reference', 'bad segments', 'resampling']
    """
    cleaning = cleaning or EEGCleaning()
    if isinstance(recording, Signal):
        result, report, _ = clean(_recording(recording, cleaning, eog), cleaning)
        return Cleaned(_signal(recording, result), report)
    from physioaffect.signals.eeg_raw import clean_raw  # noqa: PLC0415  mne takes a second to import.

    return Cleaned(*clean_raw(recording, cleaning, eog, _recording))


def _clean(
    recording: Recording, cleaning: EEGCleaning, learned: Learned | None = None, *, where: str, mend: str = ""
) -> tuple[Recording, CleaningReport, Learned | None]:
    """Clean, and say of whom an error speaks."""
    try:
        return clean(recording, cleaning, learned)
    except (DataError, ProtocolError) as error:
        raise type(error)(f"{where}: {error}{mend}") from error


def _eog(signals: Mapping[str, Signal | Events], cleaning: EEGCleaning) -> Signal | None:
    found = signals.get(cleaning.eog) if cleaning.eyes is not None else None
    return found if isinstance(found, Signal) else None


def _recording(
    signal: Signal, cleaning: EEGCleaning, eog: Signal | None, *, where: str = "The EEG"
) -> Recording:
    """Check and take apart a signal."""
    if signal.kind != "eeg":
        raise ValueError(f"clean_eeg cleans EEG, got a signal of kind {signal.kind!r}.")
    if signal.n_times == 0 or signal.n_channels == 0:
        raise DataError(f"{where} is empty: {signal.n_channels} channels of {signal.n_times} samples.")
    check_scale(signal, where=where)
    if cleaning.reference in ("average", "rest") and signal.n_channels < 2:
        raise ProtocolError(
            f"{where} has one channel. The average of one channel is the channel itself, and nothing would "
            "be left. Choose reference=None."
        )
    if isinstance(cleaning.reference, tuple):
        missing = [name for name in cleaning.reference if name not in signal.ch_names]
        if missing:
            raise ProtocolError(
                f"{where} has no channel {missing[0]!r} to refer to; it has {', '.join(signal.ch_names)}. "
                "Choose one of these, or 'average'."
            )
    if eog is None or cleaning.eyes is None:
        rows = np.empty((0, signal.n_times))
    elif (eog.sfreq, eog.n_times) != (signal.sfreq, signal.n_times):
        raise DataError(
            f"The EOG has {eog.n_times} samples at {eog.sfreq:g} Hz, the EEG {signal.n_times} at "
            f"{signal.sfreq:g} Hz. Bring both to one rate and length: crop, or resample the EOG."
        )
    else:
        rows = np.asarray(eog.masked, dtype=np.float64)
    return Recording(
        X=signal.data, eog=rows, flags=signal.flags, sfreq=signal.sfreq, ch_names=signal.ch_names
    )


def _signal(before: Signal, result: Recording) -> Signal:
    return replace(before, data=result.X, sfreq=result.sfreq, flags=result.flags)


def _joined(first: Recording, second: Recording) -> Recording:
    if (first.ch_names, first.sfreq, len(first.eog)) != (second.ch_names, second.sfreq, len(second.eog)):
        raise DataError(
            f"The baseline has {len(first.ch_names)} channels at {first.sfreq:g} Hz and {len(first.eog)} of "
            f"EOG, the trial {len(second.ch_names)} at {second.sfreq:g} Hz and {len(second.eog)}, or others: "
            "they cannot be joined. Set baseline_joins=False."
        )
    return replace(
        second,
        X=np.concatenate([first.X, second.X], axis=1),
        eog=np.concatenate([first.eog, second.eog], axis=1),
        flags=np.concatenate([first.flags, second.flags]),
    )


def _cut(recording: Recording, *, start: int = 0, stop: int | None = None) -> Recording:
    # Copied, so that a kept trial does not hold its baseline in memory.
    return replace(recording, X=recording.X[:, start:stop].copy(), flags=recording.flags[start:stop].copy())


def _replaced(
    trial: Trial, cleaning: EEGCleaning, main: Recording, rest: Recording | None, note: str
) -> Trial:
    signals = {**trial.signals, cleaning.signal: _signal(trial.signal(cleaning.signal), main)}
    baseline = trial.baseline
    if baseline is not None and rest is not None:
        before = baseline[cleaning.signal]
        assert isinstance(before, Signal)
        baseline = {**baseline, cleaning.signal: _signal(before, rest)}
    return replace(trial, signals=signals, baseline=baseline, tags=(*trial.tags, note))
