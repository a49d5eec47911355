"""Splits made with other tools, read from tables."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["read_coords", "read_features", "read_splits"]

# More than the largest study of the field has windows, and less than fills a laptop.
MAX_BYTES = 2_000_000_000
MAX_ROWS = 5_000_000
MAX_VALUES = 500_000_000
MAX_FOLDS = 2_000

_NUMBERS = ("start", "duration", "order", "elapsed", "baseline_start", "baseline_stop")
_NAMES = ("dataset", "subject", "session", "trial", "stimulus", "window", "baseline_trial", "target")
_ALIASES = {
    "id": "row",
    "index": "row",
    "row_id": "row",
    "sample": "row",
    "split": "side",
    "set": "side",
    "subset": "side",
    "participant": "subject",
    "participant_id": "subject",
    "person": "subject",
    "subject_id": "subject",
    "session_id": "session",
    "trial_id": "trial",
    "clip": "stimulus",
    "film": "stimulus",
    "video": "stimulus",
    "label": "target",
    "y": "target",
}
_SIDES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "calibration": "calibration",
    "test": "test",
    "testing": "test",
}


Folds = dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]


def read_coords(path: Path | str) -> tuple[pd.DataFrame, pd.Index, list[str]]:
    """Read where windows come from.

    Parameters
    ----------
    path : path
        A CSV file (comma, semicolon or tab; UTF-8) with a head line and one line per window. Columns, none of
        them required: ``row`` (its name in the other files; default: its number from 0), ``dataset``,
        ``subject``, ``session``, ``trial``, ``stimulus``, ``start`` and ``duration`` (seconds after the
        trial's onset), ``order`` (of the trial in the session), ``elapsed`` (seconds in the session),
        ``target``, ``baseline_start`` and ``baseline_stop`` (seconds after the trial's onset),
        ``baseline_trial``. Empty cells are not known.

    Returns
    -------
    coords : pandas.DataFrame
        The columns that are known here.
    rows : pandas.Index
        Name of each row.
    unknown : list of str
        Columns that mean nothing here.

    Raises
    ------
    DataError
        If the file is no such table.
    """
    table = _read_csv(Path(path))
    rows = _row_names(table, Path(path))
    known = [name for name in (*_NAMES, *_NUMBERS) if name in table]
    if not known:
        raise DataError(
            f"{path} has none of the columns {', '.join((*_NAMES, *_NUMBERS))}; it has "
            f"{', '.join(map(str, table.columns[:10]))}. Name at least subject or trial."
        )
    coords = table[known].copy()
    for name in set(known) & set(_NUMBERS):
        numbers = pd.to_numeric(coords[name], errors="coerce")
        if (is_bad := numbers.isna() & coords[name].notna()).any():
            line = int(np.argmax(is_bad))
            raise DataError(
                f"{path}, line {line + 2}: {name} must be a number, got {coords[name].iloc[line]!r}."
            )
        coords[name] = numbers
    if "target" in coords:
        numbers = pd.to_numeric(coords["target"], errors="coerce")
        # Whole numbers are names of classes; ratings with decimals are numbers.
        if numbers.notna().all() and (numbers % 1 != 0).any():
            coords["target"] = numbers
        else:
            coords["target"] = coords["target"].fillna("")
    unknown = [str(name) for name in table.columns if name not in known and name != "row"]
    return coords, rows, unknown


def read_splits(path: Path | str, rows: pd.Index) -> Folds:
    """Read who is on which side.

    Parameters
    ----------
    path : path
        A CSV file with the columns ``row``, ``side`` (train, validation, calibration or test; any other word
        leaves the row out) and, where there are several, ``fold``. One line per row and fold; rows that are
        in no line of a fold are in neither side.
    rows : pandas.Index
        Names of the rows, as `read_coords` gives them.

    Returns
    -------
    dict of str to (train, test)
        Positions of rows for each fold; training, validation and calibration rows are train.

    Raises
    ------
    DataError
        If a row is not known, or a fold lacks a side.
    """
    path = Path(path)
    table = _read_csv(path)
    if lacking := {"row", "side"} - set(table):
        raise DataError(
            f"{path} lacks the column {' and '.join(sorted(lacking))}; it has "
            f"{', '.join(map(str, table.columns[:10]))}. It needs row, side and, for several folds, fold."
        )
    positions = rows.get_indexer(pd.Index(table["row"]))
    if (positions < 0).any():
        line = int(np.argmax(positions < 0))
        raise DataError(
            f"{path}, line {line + 2}: row {table['row'].iloc[line]!r} is not in the table of coordinates, "
            f"whose rows are {', '.join(map(str, rows[:3]))} and so on."
        )
    sides = table["side"].fillna("").str.strip().str.lower().map(_SIDES)
    if sides.isna().all():
        raise DataError(
            f"{path}: side is train, validation, calibration or test, got {table['side'].iloc[0]!r}."
        )
    names = table["fold"].fillna("") if "fold" in table else pd.Series("1", index=table.index)
    if names.nunique() > MAX_FOLDS:
        raise DataError(
            f"{path} has {names.nunique()} folds, more than {MAX_FOLDS}. Is fold the right column?"
        )
    folds = {}
    for name, own in pd.DataFrame({"position": positions, "side": sides}).groupby(names, sort=False):
        is_test = own["side"] == "test"
        train, test = own[own["side"].notna() & ~is_test], own[is_test]
        if train.empty or test.empty:
            lacks = "training" if train.empty else "test"
            raise DataError(f"{path}: fold {name!r} has no {lacks} rows, so there is nothing to audit in it.")
        folds[str(name)] = (
            np.unique(train["position"].to_numpy(dtype=np.intp)),
            np.unique(test["position"].to_numpy(dtype=np.intp)),
        )
    return folds


def read_features(path: Path | str, rows: pd.Index) -> pd.DataFrame | NDArray[np.float64]:
    """Read features: CSV or Parquet with a column per feature, or a NumPy array; never a pickle.

    Parameters
    ----------
    path : path
        ``.csv`` or ``.parquet``: a column ``row`` brings the lines into order; without it they stand in the
        order of the coordinates. ``.npy``: shape (n_windows, ...), in that order.
    rows : pandas.Index
        Names of the rows.

    Raises
    ------
    DataError
        If the file is too large, or no such table.
    """
    path = Path(path)
    if path.suffix == ".npy":
        return _read_npy(path)
    if path.suffix == ".parquet":
        table = _read_parquet(path)
    elif path.suffix in {".csv", ".tsv", ".txt"}:
        table = _read_csv(path)
    else:
        raise DataError(f"Features come as .csv, .parquet or .npy, got {path.name}.")
    if "row" in table:
        order = pd.Index(table["row"].astype(str)).get_indexer(rows)
        if (order < 0).any():
            raise DataError(f"{path} lacks row {rows[int(np.argmax(order < 0))]!r}.")
        table = table.iloc[order].drop(columns="row").reset_index(drop=True)
    # The index that pandas writes when nobody asks for it: the number of the row, and no feature.
    table = table.drop(
        columns=[name for name in table if re.fullmatch(r"Unnamed: 0|__index_level_\d+__", str(name))]
    )
    numbers = pd.DataFrame(table.apply(pd.to_numeric, errors="coerce").astype(float))
    if wrong := [str(name) for name in table if (numbers[name].isna() & table[name].notna()).any()]:
        raise DataError(f"Features must be numbers; these columns of {path} are not: {', '.join(wrong[:5])}.")
    return numbers


def _read_csv(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path} does not exist, or is no file.")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise DataError(
            f"{path} has {size} bytes, more than {MAX_BYTES}. Pass fewer rows, or a .parquet file."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline(1_000_000)
        separator = max(",;\t", key=head.count)
        table = pd.read_csv(
            path,
            sep=separator,
            dtype=str,
            encoding="utf-8-sig",
            keep_default_na=False,
            na_values=["", "nan", "NaN", "NA", "n/a"],
            nrows=MAX_ROWS + 1,
            skipinitialspace=True,
        )
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} is no table in CSV with a head line, in UTF-8: {error}.") from None
    if len(table) > MAX_ROWS:
        raise DataError(f"{path} has more than {MAX_ROWS} lines. Audit a part of the study.")
    if table.empty:
        raise DataError(f"{path} has no lines below its head.")
    return _named(table, path)


def _named(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    plain = [str(name).strip().lower().replace(" ", "_") for name in table.columns]
    # An alias counts only where the name itself is not there.
    names = [
        name if _ALIASES.get(name, name) in plain and name in _ALIASES else _ALIASES.get(name, name)
        for name in plain
    ]
    known = [name for name in names if name in {*_NAMES, *_NUMBERS, "row", "side", "fold"}]
    if repeated := sorted({name for name in known if known.count(name) > 1}):
        raise DataError(f"{path} has two columns for {repeated[0]}. Remove one.")
    kept = set(known)
    return table.set_axis(
        [name if name in kept else str(own) for name, own in zip(names, table.columns, strict=True)], axis=1
    )


def _row_names(table: pd.DataFrame, path: Path) -> pd.Index:
    if "row" not in table:
        return pd.Index([str(number) for number in range(len(table))])
    if table["row"].isna().any():
        raise DataError(f"{path}, line {int(np.argmax(table['row'].isna())) + 2}: row is empty.")
    rows: pd.Index = pd.Index(table["row"])
    if not rows.is_unique:
        raise DataError(
            f"{path} has row {rows[rows.duplicated()][0]!r} twice. Give each window a name of its own."
        )
    return rows


def _read_npy(path: Path) -> NDArray[np.float64]:
    try:
        # Mapped, so that a header that claims too much costs nothing; the file's size limits it.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} is no NumPy array of numbers: {error}.") from None
    if array.size > MAX_VALUES:
        raise DataError(
            f"{path} has {array.size} values, more than {MAX_VALUES}. Pass features, not raw windows."
        )
    if array.dtype.kind not in "iufb" or array.ndim < 2:
        raise DataError(
            f"{path} must be numbers of shape (n_windows, ...), got {array.dtype}, {array.shape}."
        )
    return np.asarray(array, dtype=float)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow.parquet  # noqa: PLC0415  Only where it is needed.
    from pyarrow.lib import ArrowException  # noqa: PLC0415

    try:
        about = pyarrow.parquet.read_metadata(path)
        if about.num_rows * about.num_columns > MAX_VALUES:
            raise DataError(f"{path} has more than {MAX_VALUES} values. Pass features, not raw windows.")
        table = pyarrow.parquet.read_table(path).to_pandas(ignore_metadata=True)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist.") from None
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} is no Parquet table: {error}.") from None
    return _named(table, path)
