"""Splits of other tools, from tables: read tolerantly, refused clearly, judged by the exit code."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from physioaffect.cli_audit import audit
from physioaffect.errors import DataError
from physioaffect.evaluation.leakage import reading
from physioaffect.evaluation.leakage.reading import read_coords, read_features, read_splits

app = typer.Typer()
app.command()(audit)

N_WINDOWS = 10


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Six people, four trials, ten windows; one fold that holds people out, one dealt by window."""
    subject, trial, window = (
        axis.ravel() for axis in np.meshgrid(range(6), range(4), range(N_WINDOWS), indexing="ij")
    )
    names = [f"w{number}" for number in range(len(subject))]
    pd.DataFrame(
        {
            "row": names,
            "subject": subject,
            "trial": trial,
            "start": 2 * window,
            "duration": 2,
            "label": trial % 2,
            "comment": "x",
        }
    ).to_csv(tmp_path / "coords.csv", index=False)
    people = pd.DataFrame({"row": names, "fold": "people", "side": np.where(subject == 0, "test", "train")})
    windows = pd.DataFrame(
        {"row": names, "fold": "windows", "side": np.where(window % 5 == 0, "test", "train")}
    )
    people.to_csv(tmp_path / "people.csv", index=False)
    pd.concat([people, windows]).to_csv(tmp_path / "both.csv", index=False)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 4, 5))[subject, trial] + 0.3 * rng.standard_normal((len(names), 5))
    np.save(tmp_path / "features.npy", X)
    frame = pd.DataFrame(X, columns=list("abcde")).assign(row=names).sample(frac=1, random_state=0)
    frame.to_csv(tmp_path / "features.csv", index=False)
    frame.to_parquet(tmp_path / "features.parquet")
    return tmp_path


def run(folder: Path, splits: str, *more: str):
    return CliRunner().invoke(app, [str(folder / splits), str(folder / "coords.csv"), *more])


class TestTheCommand:
    def test_a_clean_split_ends_with_0_and_says_what_was_not_checked(self, tables):
        result = run(tables, "people.csv")
        assert result.exit_code == 0, result.output
        assert "Nothing wrong found in 1 fold by the checks that were made." in result.output
        assert "not checked: stimulus_shared. coords have no column stimulus." in result.output
        assert "Columns not used: comment." in result.output

    def test_a_leak_ends_with_1_and_names_the_fold(self, tables):
        result = run(tables, "both.csv")
        assert result.exit_code == 1
        assert "leak: trial_shared" in result.output
        assert "In 1 of 2 folds; fold windows: 48 of 48 test windows (100 %)" in " ".join(
            result.output.split()
        )

    def test_json(self, tables):
        result = run(tables, "both.csv", "--json", "--features", str(tables / "features.npy"))
        assert result.exit_code == 1
        told = json.loads(result.output)
        assert {f["kind"] for f in told["findings"] if f["severity"] == "leak"} == {
            "trial_shared",
            "trial_recognised",
        }
        assert told["columns_not_used"] == ["comment"]

    def test_what_is_declared_is_a_note(self, tables):
        coords = pd.read_csv(tables / "coords.csv").assign(stimulus=lambda own: own["trial"])
        coords.to_csv(tables / "coords.csv", index=False)
        assert run(tables, "people.csv").exit_code == 1
        assert run(tables, "people.csv", "--declares", "loso").exit_code == 0
        assert run(tables, "people.csv", "--declares", "stimulus").exit_code == 0
        refused = run(tables, "people.csv", "--declares", "stimulus,trial")
        assert refused.exit_code == 2
        assert "--declares takes some of subject, session, stimulus" in " ".join(refused.output.split())

    def test_what_cannot_be_read_ends_with_2(self, tables):
        assert run(tables, "nowhere.csv").exit_code == 2
        (tables / "people.csv").write_text("row,side\nw0,train\nw999,test\n")
        result = run(tables, "people.csv")
        assert result.exit_code == 2
        assert "line 3: row 'w999' is not in the table of coordinates" in " ".join(result.output.split())


class TestReading:
    def test_features_come_in_the_order_of_the_coordinates(self, tables):
        _, rows, _ = read_coords(tables / "coords.csv")
        expected = np.load(tables / "features.npy")
        for name in ("features.npy", "features.csv", "features.parquet"):
            assert np.allclose(np.asarray(read_features(tables / name, rows)), expected), name

    def test_an_index_that_pandas_wrote_is_no_feature(self, tables):
        frame = pd.DataFrame(np.load(tables / "features.npy"), columns=list("abcde"))
        frame.to_csv(tables / "indexed.csv")
        _, rows, _ = read_coords(tables / "coords.csv")
        assert np.shape(read_features(tables / "indexed.csv", rows)) == (len(rows), 5)

    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    def test_separators_marks_of_order_and_other_names(self, tmp_path, separator):
        lines = [["ID", "Participant", "Trial ", "y"], ["a", "01", "1", "2.5"], ["b", "1", "", "3"]]
        text = "\n".join(separator.join(line) for line in lines)
        (tmp_path / "c.csv").write_text(text, encoding="utf-8-sig")
        coords, rows, unknown = read_coords(tmp_path / "c.csv")
        assert list(rows) == ["a", "b"]
        assert list(coords["subject"]) == ["01", "1"]  # Names are no numbers.
        assert coords["trial"].isna().tolist() == [False, True]
        assert coords["target"].dtype == float
        assert unknown == []

    def test_rows_are_numbered_without_names(self, tmp_path):
        (tmp_path / "c.csv").write_text("subject\na\nb\n")
        (tmp_path / "s.csv").write_text("row,split\n0,Train\n1, VAL\n1,test\n")
        _, rows, _ = read_coords(tmp_path / "c.csv")
        assert {k: [list(r) for r in v] for k, v in read_splits(tmp_path / "s.csv", rows).items()} == {
            "1": [[0, 1], [1]]
        }

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", r"is no table in CSV"),
            ("subject\n", r"has no lines below its head"),
            ("a,b\n1,2\n", r"has none of the columns dataset, subject"),
            ("row,subject\n1,a\n1,b\n", r"has row '1' twice"),
            ("row,subject\n1,a\n,b\n", r"line 3: row is empty"),
            ("subject,start\na,soon\n", r"line 2: start must be a number, got 'soon'"),
            ("person,participant\na,b\n", r"two columns for subject"),
        ],
    )
    def test_bad_coordinates(self, tmp_path, text, said):
        (tmp_path / "c.csv").write_text(text)
        with pytest.raises(DataError, match=said):
            read_coords(tmp_path / "c.csv")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("row\n0\n", r"lacks the column side"),
            ("row,side\n0,train\n1,train\n", r"fold '1' has no test rows"),
            ("row,side\n0,left\n1,right\n", r"side is train, validation, calibration or test, got 'left'"),
        ],
    )
    def test_bad_splits(self, tmp_path, text, said):
        (tmp_path / "s.csv").write_text(text)
        with pytest.raises(DataError, match=said):
            read_splits(tmp_path / "s.csv", pd.Index(["0", "1"]))

    def test_bad_features(self, tmp_path):
        rows = pd.Index(["0", "1"])
        np.save(tmp_path / "o.npy", np.array([{}, {}]), allow_pickle=True)
        with pytest.raises(DataError, match="is no NumPy array of numbers"):
            read_features(tmp_path / "o.npy", rows)
        (tmp_path / "f.csv").write_text("a,b\n1,x\n2,y\n")
        with pytest.raises(DataError, match=r"are not: b"):
            read_features(tmp_path / "f.csv", rows)
        (tmp_path / "f.parquet").write_text("no parquet")
        with pytest.raises(DataError, match="is no Parquet table"):
            read_features(tmp_path / "f.parquet", rows)
        with pytest.raises(DataError, match=r"g\.parquet does not exist"):
            read_features(tmp_path / "g.parquet", rows)
        (tmp_path / "r.csv").write_text("row,a\n1,2\n")
        with pytest.raises(DataError, match=r"r\.csv lacks row '0'"):
            read_features(tmp_path / "r.csv", rows)
        np.save(tmp_path / "v.npy", np.zeros(2))
        with pytest.raises(DataError, match=r"numbers of shape \(n_windows, \.\.\.\), got float64, \(2,\)"):
            read_features(tmp_path / "v.npy", rows)
        with pytest.raises(DataError, match=r"come as \.csv, \.parquet or \.npy, got f\.pkl"):
            read_features(tmp_path / "f.pkl", rows)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        content=st.one_of(
            st.binary(max_size=200), st.text(alphabet='row,subjecttrial;\t"\n01\0é', max_size=200)
        )
    )
    def test_whatever_a_file_holds_it_is_read_or_refused_in_a_sentence(self, tmp_path, content):
        path = tmp_path / "any.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        for read in (
            lambda: read_coords(path),
            lambda: read_splits(path, pd.Index(["0"])),
            lambda: read_features(path, pd.Index(["0"])),
        ):
            said = str(path)
            try:
                read()
            except DataError as error:
                said = str(error)
            assert str(path) in said

    def test_sizes_are_bounded(self, tmp_path, monkeypatch):
        (tmp_path / "c.csv").write_text("subject\na\nb\nc\n")
        monkeypatch.setattr(reading, "MAX_ROWS", 2)
        with pytest.raises(DataError, match="more than 2 lines"):
            read_coords(tmp_path / "c.csv")
        monkeypatch.setattr(reading, "MAX_BYTES", 5)
        with pytest.raises(DataError, match="bytes, more than 5"):
            read_coords(tmp_path / "c.csv")
        np.save(tmp_path / "f.npy", np.zeros((4, 4)))
        monkeypatch.setattr(reading, "MAX_VALUES", 10)
        with pytest.raises(DataError, match="16 values, more than 10"):
            read_features(tmp_path / "f.npy", pd.Index(list("0123")))
        pd.DataFrame(np.zeros((4, 4)), columns=list("abcd")).to_parquet(tmp_path / "f.parquet")
        with pytest.raises(DataError, match="has more than 10 values"):
            read_features(tmp_path / "f.parquet", pd.Index(list("0123")))
        monkeypatch.setattr(reading, "MAX_BYTES", 100)
        monkeypatch.setattr(reading, "MAX_FOLDS", 1)
        (tmp_path / "s.csv").write_text("row,side,fold\n0,train,a\n1,test,b\n")
        with pytest.raises(DataError, match=r"has 2 folds, more than 1\. Is fold the right column"):
            read_splits(tmp_path / "s.csv", pd.Index(["0", "1"]))
