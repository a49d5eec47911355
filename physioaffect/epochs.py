"""Between MNE's ``Epochs`` and trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from physioaffect.errors import DataError
from physioaffect.recording import KINDS, Signal, Trial

if TYPE_CHECKING:
    import mne

__all__ = ["epochs_to_trials", "trials_to_epochs"]


def epochs_to_trials(
    epochs: mne.BaseEpochs,
    *,
    dataset: str,
    subject: str,
    session: str = "1",
    kinds: Sequence[str] = ("eeg",),
    stimulus: str | None = None,
    first_samp: int = 0,
) -> list[Trial]:
    """Make a trial of each epoch, in their order.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        What is left of them after rejection; time zero of each is the trial's onset.
    dataset, subject, session : str
        Whose they are: protocols hold people and sessions apart by these names.
    kinds : sequence of str
        Kinds of channels to take (see `physioaffect.recording.KINDS`), each a signal of that name. Channels
        marked bad come as NaN.
    stimulus : str, optional
        Column of ``epochs.metadata`` that says which clip or picture it was. Default: the name of the event.
    first_samp : int
        ``raw.first_samp`` of the recording that the epochs were cut from. MNE counts events from the start of
        the acquisition, which is not that of the recording where the file says so (FIF) or it was cropped;
        the epochs no longer know it.

    Returns
    -------
    list of Trial
        What lies before the onset is the trial's ``baseline``. The event's name is the ``condition``, numbers
        in ``epochs.metadata`` are the ``ratings``, and ``elapsed`` counts from the sample ``first_samp``.

    Raises
    ------
    DataError
        If there is no channel of a kind, or no such column, or an event lies before ``first_samp``.

    Examples
    --------
    >>> import mne
    >>> info = mne.create_info(["Fz", "Cz"], 100.0, "eeg")
    >>> events = np.array([[100, 0, 1], [400, 0, 2]])
    >>> epochs = mne.EpochsArray(
    ...     np.zeros((2, 2, 300)), info, events, tmin=-1.0, event_id={"calm": 1, "tense": 2}, verbose="error"
    ... )
    >>> trials = epochs_to_trials(epochs, dataset="own", subject="S01")
    >>> [(t.condition, t.duration, t.baseline["eeg"].duration) for t in trials]
    [('calm', 2.0, 1.0), ('tense', 2.0, 1.0)]
    """
    metadata = epochs.metadata
    if stimulus is not None and (metadata is None or stimulus not in metadata):
        there = "no metadata" if metadata is None else f"the columns {', '.join(map(str, metadata))}"
        raise DataError(f"The epochs have {there}, not {stimulus!r}: name a column that says the stimulus.")
    if len(epochs.events) and (earliest := int(epochs.events[:, 0].min())) < first_samp:
        raise DataError(
            f"first_samp is {first_samp}, and an event lies at sample {earliest}, before it: pass "
            "raw.first_samp of the recording that the epochs were cut from."
        )
    named = {number: name for name, number in epochs.event_id.items()}
    signals = {kind: _data_of(epochs, kind) for kind in kinds}
    trials = []
    for order, (sample, _, number) in enumerate(epochs.events):
        row: dict[Any, Any] = {} if metadata is None else metadata.iloc[order].to_dict()
        whole = {
            kind: Signal(
                data=data[order],
                sfreq=float(epochs.info["sfreq"]),
                ch_names=names,
                kind=kind,
                unit=unit,
                start=float(epochs.tmin),
            )
            for kind, (data, names, unit) in signals.items()
        }
        rest = None
        if epochs.tmin < 0:
            rest = {kind: one.crop(one.start, 0.0, onset=one.start) for kind, one in whole.items()}
        trials.append(
            Trial(
                dataset=dataset,
                subject=subject,
                session=session,
                trial=str(int(epochs.selection[order]) + 1),
                stimulus=str(row[stimulus]) if stimulus is not None else named[int(number)],
                signals={kind: one.crop(0.0, np.inf) for kind, one in whole.items()},
                baseline=rest,
                ratings={
                    str(key): float(value)
                    for key, value in row.items()
                    if key != stimulus and isinstance(value, int | float | np.number)
                },
                condition=named[int(number)],
                elapsed=float(sample - first_samp) / float(epochs.info["sfreq"]),
                order=order,
            )
        )
    return trials


def _data_of(epochs: mne.BaseEpochs, kind: str) -> tuple[np.ndarray[Any, Any], tuple[str, ...], str]:
    """Take the channels of a kind: samples (n_epochs, n_channels, n_times), names and unit."""
    from physioaffect._mne import find  # noqa: PLC0415  mne takes a second to import.

    if kind not in KINDS:
        raise DataError(f"Unknown kind of signal {kind!r}: use some of {', '.join(KINDS)}.")
    try:
        found = find(kind, epochs.get_channel_types(), "Set the types with epochs.set_channel_types.")
        data = found.in_our_unit(epochs.get_data(picks=found.picks, copy=True))
    except ValueError as error:
        raise DataError(f"The epochs have {error}") from None
    names = tuple(epochs.ch_names[index] for index in found.picks)
    data[:, [name in epochs.info["bads"] for name in names]] = np.nan
    return data, names, found.unit


def trials_to_epochs(
    trials: Sequence[Trial], *, signal: str = "eeg", duration: float | None = None
) -> mne.EpochsArray:
    """Make MNE epochs of one signal of trials, all cut at the same length.

    Parameters
    ----------
    trials : sequence of Trial
        Of any number of people; who and what each was is in ``metadata``.
    signal : str
        Name of the signal. Its channels and rate must be the same in all.
    duration : float, optional
        Seconds from the onset. Default: as long as the shortest trial.

    Returns
    -------
    mne.EpochsArray
        Events are named after ``condition``, or ``stimulus`` where that is empty. ``metadata`` holds the
        identifiers, the ratings, and ``coverage``: the share of each epoch's samples that are present and
        not flagged. Flagged samples stay as they are.

    Raises
    ------
    DataError
        If there are no trials, they differ in channels or rate, or one is shorter than ``duration``.
    ValueError
        If MNE keeps signals of this kind in a unit that these have not, see `Signal.to_mne`.

    Examples
    --------
    >>> eeg = Signal(data=np.zeros((1, 200)), sfreq=100.0, ch_names=("Cz",), kind="eeg", unit="V")
    >>> trials = [
    ...     Trial(dataset="own", subject=who, trial="1", stimulus="clip", signals={"eeg": eeg})
    ...     for who in ("S01", "S02")
    ... ]
    >>> trials_to_epochs(trials, duration=1.5).get_data().shape
    (2, 1, 150)
    """
    import mne  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    from physioaffect._mne import info_of, samples_of  # noqa: PLC0415

    if not trials:
        raise DataError("There are no trials to make epochs of: pass at least one.")
    own = [trial.signal(signal) for trial in trials]
    first = own[0]
    for trial, one in zip(trials, own, strict=True):
        if (one.ch_names, one.sfreq, one.kind, one.unit) != (
            first.ch_names,
            first.sfreq,
            first.kind,
            first.unit,
        ):
            raise DataError(
                f"Trial {trial.trial} of {trial.subject} has other channels of {signal}, another rate or "
                f"unit than the first: {one.n_channels} channels in {one.unit} at {one.sfreq:g} Hz, against "
                f"{first.n_channels} in {first.unit} at {first.sfreq:g}. Pick the same with Signal.pick, or "
                "make epochs of each kind apart."
            )
    seconds = min(one.stop for one in own) if duration is None else duration
    n_times = round(seconds * first.sfreq)
    cut = [one.crop(0.0, n_times / first.sfreq) for one in own]
    for trial, one in zip(trials, cut, strict=True):
        if one.n_times != n_times or n_times == 0:
            raise DataError(
                f"Trial {trial.trial} of {trial.subject} has {one.n_times} samples of {signal} after its "
                f"onset, and {max(n_times, 1)} are needed. Take a shorter duration, or leave it out."
            )
    conditions = [trial.condition or trial.stimulus for trial in trials]
    event_id = {name: number for number, name in enumerate(dict.fromkeys(conditions), start=1)}
    # Samples only have to differ: where trials of several people lie on one axis of time means nothing.
    onsets = np.arange(len(trials)) * n_times
    numbers = [event_id[name] for name in conditions]
    names = ("dataset", "subject", "session", "trial", "stimulus", "condition", "order")
    about = pd.DataFrame(
        [
            {name: getattr(trial, name) for name in names}
            | dict(trial.ratings)
            | {"coverage": float(one.is_good.mean())}
            for trial, one in zip(trials, cut, strict=True)
        ]
    )
    return mne.EpochsArray(
        np.stack([samples_of(one) for one in cut]),
        info_of(first),
        np.column_stack([onsets, np.zeros_like(onsets), numbers]),
        event_id=event_id,
        metadata=about,
        verbose="error",
    )
