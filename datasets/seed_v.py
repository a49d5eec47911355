"""SEED-V: 16 people, three sessions of 15 film clips, all different, unprocessed EEG at 1000 Hz."""

from __future__ import annotations

import re

from physioaffect.data_set import DataSet

from .seed_cnt import CNT_RATE, Recordings
from .seed_files import ELECTRODES, SeedStudy, emotion_task
from .seed_tables import SEED_V_EMOTIONS, SEED_V_NAMES, SEED_V_STARTS, SEED_V_STOPS
from .seed_v_simulate import simulate_v

__all__ = ["SEED_V"]

_RECORDINGS = Recordings(
    study=SeedStudy(name="seed_v", title="SEED-V", emotions=SEED_V_EMOTIONS, shares_clips=False),
    folder="EEG_raw",
    pattern=re.compile(r"(\d{1,3})_([1-3])_(\d{8})\.cnt"),
    starts=SEED_V_STARTS,
    stops=SEED_V_STOPS,
)

SEED_V = DataSet(
    name="seed_v",
    title="SEED-V",
    doi="10.1109/TCDS.2021.3071170",
    licence="For academic use under a signed agreement; not to be passed on.",
    how_to_get="Apply at https://bcmi.sjtu.edu.cn/home/seed/seed-v.html, or simulate it.",
    layout=(
        "EEG_raw with 1_1_20180804.cnt ... (person, session, date) or a folder up to three levels above: "
        "Neuroscan files of 62 electrodes at 1000 Hz, in volts; M1, M2, VEO and HEO are dropped. Trials are "
        "cut at the published seconds, which are built in (trial_start_end_timestamp.txt holds the same and "
        "is not opened). Sessions are those of the names: nine people's dates are in another order."
    ),
    n_subjects=16,
    n_trials=45,
    sfreqs={"eeg": CNT_RATE},
    ch_names={"eeg": ELECTRODES},
    montage="colin27_1005",
    tasks={
        "emotion": emotion_task(
            SEED_V_NAMES,
            "What the clip was chosen for: disgust (0), fear (1), sad (2), neutral (3) or happy (4).",
        )
    },
    window=4.0,
    step=4.0,
    files=_RECORDINGS.files,
    open=_RECORDINGS.open,
    trials=_RECORDINGS.trials,
    simulate=simulate_v,
)
