"""What an E4 derives from its sensors may be lost with a reason; what they measured may not."""

from pathlib import Path

import numpy as np
import pytest
from support.wearables import STARTED, session, write_folder, write_zip

from physioaffect.devices.any_file import glance, read_device
from physioaffect.devices.empatica import read_e4, read_e4_sessions
from physioaffect.devices.session import Sampled
from physioaffect.errors import DataError
from physioaffect.recording import Signal

HOUR = 3600
WHOLE = session(60)
LOST = {
    "nothing": ("HR.csv", "", "hr", "HR.csv holds no samples"),
    "a header alone": ("HR.csv", f"{STARTED}.0\n1.0\n", "hr", "HR.csv holds no samples"),
    "no text": ("HR.csv", "\0\0", "hr", "HR.csv is not a text file"),
    "another day": (
        "HR.csv",
        session(60, started=STARTED + 72 * HOUR)["HR.csv"],
        "hr",
        "HR.csv starts 72.0 h after",
    ),
    "a cut line": ("IBI.csv", WHOLE["IBI.csv"] + "59.1", "ibi", "IBI.csv has '59.1' in line"),
    "another header": ("IBI.csv", "time\n", "ibi", "IBI.csv starts with 'time'"),
    "words": ("tags.csv", "hello\n", "tags", "tags.csv has 'hello' in line 1"),
}


@pytest.mark.parametrize("how", LOST)
def test_a_derived_file_that_cannot_be_read_costs_its_signal(how: str, tmp_path: Path) -> None:
    name, text, signal, reason = LOST[how]
    folder = write_folder(tmp_path / "a", 60)
    whole = read_e4(folder)
    (folder / name).write_text(text)
    told: list[str] = []
    found = read_e4(folder, report=told.append)
    assert found.signals.keys() == whole.signals.keys() - {signal}
    assert found.started_at == whole.started_at
    [said] = told
    assert reason in said
    assert said.endswith(f"The session is read without {signal}.")
    recorded = read_device(folder)
    assert recorded.lost == recorded.notes == (said,)
    with pytest.raises(DataError) as refused:
        read_e4(folder)
    assert said.startswith(str(refused.value))


@pytest.mark.parametrize("name", ["ACC.csv", "BVP.csv", "EDA.csv", "TEMP.csv"])
@pytest.mark.parametrize("ending", ["x", ""])
def test_what_a_sensor_measured_is_whole_or_an_error(name: str, ending: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", 60)
    (folder / name).write_text(WHOLE[name] + ending if ending else "")
    with pytest.raises(DataError, match=name):
        read_e4(folder, report=lambda _: None)


def test_a_session_of_a_broken_heart_rate_alone_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "HR.csv").write_text("x\n1\n70\n")
    with pytest.raises(DataError, match="holds no sampled signal of an E4 session"):
        read_e4(folder, report=lambda _: None)


def test_joined_sessions_name_what_they_lost_if_they_may(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", 60)
    (write_folder(tmp_path / "b", 60, started=STARTED + HOUR) / "HR.csv").write_text("")
    with pytest.raises(DataError, match=r"HR\.csv holds no samples"):
        read_e4_sessions(tmp_path)
    joined = read_e4_sessions(tmp_path, skip_broken=True)
    hr = joined.signals["hr"]
    assert isinstance(hr, Signal)
    assert hr.stop < HOUR
    [lost] = joined.lost
    assert lost in joined.notes
    assert lost.endswith("The session is read without hr.")


def test_a_glance_tells_what_reading_tells(tmp_path: Path) -> None:
    for path in (write_zip(tmp_path / "a.zip", 60), write_folder(tmp_path / "a", 60)):
        read = {n: Sampled.of(s) for n, s in read_e4(path).signals.items() if isinstance(s, Signal)}
        assert glance(path) == read
        assert [*read] == ["acc", "ppg", "eda", "temperature", "hr"]


def test_a_glance_sees_the_first_lines_alone(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", 600)
    (folder / "HR.csv").write_text("")
    (folder / "BVP.csv").write_text(session(600)["BVP.csv"] + "x\n")
    assert [*glance(folder)] == ["acc", "ppg", "eda", "temperature"]
    (folder / "BVP.csv").write_text("x\n")
    with pytest.raises(DataError, match=r"BVP\.csv starts with 'x'"):
        glance(folder)


def test_a_glance_at_another_device_reads_it(tmp_path: Path) -> None:
    (tmp_path / "physioaffect.toml").write_text(
        '[[signals]]\nname = "eda"\ncolumns = ["gsr"]\nunit = "kOhm"\nsfreq = 8.0\n'
    )
    (tmp_path / "a.csv").write_text("gsr\n" + "250\n" * 80)
    assert glance(tmp_path / "a.csv") == {"eda": Sampled(8.0, ("gsr",), "eda", "uS")}
    eda = read_device(tmp_path / "a.csv").signals["eda"]
    assert isinstance(eda, Signal)
    np.testing.assert_allclose(eda.data, 4.0)
