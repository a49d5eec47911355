"""Trials of a BIDS data set, cut out of its recordings one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from physioaffect.data_set import Exclusion, Report
from physioaffect.errors import DataError
from physioaffect.recording import Signal, Trial

from .bids_eeg import read_raw, reading
from .bids_files import number
from .bids_physio import conductance_scale, read_physio
from .bids_recordings import Recording, Span, channels_table, spans

__all__ = ["JOINED_BY", "Person", "trials"]

JOINED_BY = ("participant_id", "session_id", "session", "task", "run", "trial_type", "stimulus", "trial")
"""Columns of ratings.tsv that say which trial a row is about."""


class Person(NamedTuple):
    """All that reading a subject needs."""

    recordings: tuple[Recording, ...]
    ratings: Mapping[str, float]
    table: Sequence[Mapping[str, str]]
    tags: tuple[str, ...]


def _cut(raw: Any, recording: Recording, onset: float, stop: float) -> dict[str, Signal]:
    """Take the samples in [onset, stop) of every kind, time zero at the onset."""
    sfreq = float(raw.info["sfreq"])
    first, last = round(onset * sfreq), min(round(stop * sfreq), raw.n_times)
    part = raw.copy().crop(first / sfreq, last / sfreq, include_tmax=False)
    types = {row["name"]: row for row in channels_table(recording)}
    present = part.get_channel_types()
    signals = {}
    for kind in ("eeg", "ecg", "eog", "emg", "resp", "temperature"):
        if kind in present:
            signals[kind] = Signal.from_mne(part, kind=kind)
    skin = [name for name, kind in zip(part.ch_names, present, strict=True) if kind == "gsr"]
    if skin:
        # mne turns BrainVision's conductances into siemens and leaves others as they are.
        unit = "S" if recording.path.suffix == ".vhdr" else types.get(skin[0], {}).get("units", "")
        scale = conductance_scale(unit)
        signals["eda"] = Signal(
            data=part.get_data(picks=skin) * (scale or 1.0),
            sfreq=sfreq,
            ch_names=tuple(skin),
            kind="eda",
            unit="au" if scale is None else "uS",
        )
    shift = first / sfreq - onset
    return {name: replace(signal, start=shift) for name, signal in signals.items()}


def _joined(span: Span, person: Person, recording: Recording, position: int) -> dict[str, float]:
    """Ratings of a trial: the person's, the table's rows that fit, the event's own."""
    facts = {
        "participant_id": f"sub-{recording.subject}",
        "session_id": f"ses-{recording.session}",
        "session": recording.session,
        "task": recording.task,
        "run": recording.run,
        "trial_type": span.condition,
        "stimulus": span.stimulus,
        "trial": str(position),
    }
    ratings = dict(person.ratings)
    for row in person.table:
        if all(row[key].removeprefix("run-") == fact for key, fact in facts.items() if key in row):
            numbers = {name: number(row, name) for name in row if name not in facts}
            ratings |= {name: value for name, value in numbers.items() if not math.isnan(value)}
    return ratings | dict(span.ratings)


def _read_all_physio(recording: Recording) -> dict[str, Signal]:
    physio: dict[str, Signal] = {}
    for path in recording.physio:
        for name, signal in read_physio(recording.root, path).items():
            if name in physio:
                raise DataError(
                    f"{path} holds {name}, and so does another file of the same recording. Keep one of them."
                )
            physio[name] = signal
    return physio


def _length(recording: Recording, raw: Any, physio: Mapping[str, Signal]) -> float:
    """Seconds from the beginning, which is that of the EEG where there is one."""
    if raw is not None:
        return float(raw.n_times / raw.info["sfreq"])
    if not physio:
        raise DataError(
            f"{recording.path} has no column that is known, such as cardiac, respiratory, eda or "
            "temperature. Name its columns so in the sidecar."
        )
    return max(signal.stop for signal in physio.values())


def trials(
    subject: str, source: Person, report: Report, *, ch_names: Mapping[str, tuple[str, ...]]
) -> Iterator[Trial]:
    """Read a subject's trials; channels come in the order of ``ch_names`` if all are there."""
    orders: dict[str, int] = {}
    n_recordings: dict[str, int] = {}
    for recording in source.recordings:
        n_recordings[recording.session] = n_recordings.get(recording.session, 0) + 1
    for recording in source.recordings:
        told = spans(recording)  # Before mne-bids stumbles over the same table.
        raw = read_raw(recording) if recording.eeg is not None else None
        physio = _read_all_physio(recording)
        bads = () if raw is None else tuple(raw.info["bads"])
        length = _length(recording, raw, physio)
        stem = "-".join(part for part in (recording.task, recording.run) if part) or "recording"
        for position, span in enumerate(told, start=1):
            name = f"{stem}-{position:03d}" if span.is_event else stem
            order = orders[recording.session] = orders.get(recording.session, -1) + 1
            stop = length if math.isinf(span.duration) else span.onset + span.duration
            if span.onset < 0 or stop > length + 0.01 or stop <= span.onset:
                reason = (
                    f"The event {span.condition!r} from {span.onset:g} to {stop:g} s lies outside the "
                    f"recording {recording.path.name}, which lasts {length:g} s."
                )
                report(Exclusion(subject=subject, trial=name, reason=reason))
                continue
            signals = {
                kind: signal.crop(span.onset, stop, onset=span.onset) for kind, signal in physio.items()
            }
            if raw is not None:
                with reading(recording.path):
                    signals |= _cut(raw, recording, span.onset, stop)
            for kind, expected in ch_names.items():
                if kind in signals and set(expected) <= set(signals[kind].ch_names):
                    signals[kind] = signals[kind].pick(expected)
            yield Trial(
                dataset="bids",
                subject=subject,
                session=recording.session,
                trial=name,
                stimulus=span.stimulus,
                signals=signals,
                ratings=_joined(span, source, recording, position),
                condition=span.condition,
                elapsed=span.onset if n_recordings[recording.session] == 1 else None,
                order=order,
                tags=(*source.tags, *([f"bad channels: {', '.join(bads)}"] if bads else [])),
            )
