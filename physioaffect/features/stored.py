"""Stored features: opened as one table, and checked before a number of them is read."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physioaffect.data_set import Exclusion
from physioaffect.errors import DataError
from physioaffect.features.zarr_group import Group, array_file, read_array, read_attributes, read_group

__all__ = ["FORMAT", "GROUP_NAME", "MARK", "group_key", "open_features", "read_exclusions"]

# The attribute that tells our folders from others, and its value: the version of the layout.
MARK = "physioaffect_features"
FORMAT = 1

# The folder of one person.
GROUP_NAME = re.compile(r"s\d{4,8}", re.ASCII)
_MADE_BY = ("dataset", "source_hash", "recipe", "physioaffect")


def group_key(store_key: str, subject: str) -> str:
    """Sha256 that names what is in a subject's group: ``Recipe.key`` and the subject."""
    return hashlib.sha256(json.dumps([FORMAT, store_key, subject]).encode()).hexdigest()


def _damaged(path: Path) -> str:
    return f"{path} does not say what is in it: it is damaged. Delete it and make the features anew."


def _being_replaced(folder: Path) -> str:
    return (
        f"{folder} is missing or holds other features than the store says: it is being replaced, or that was "
        "interrupted. Call save_features again."
    )


def _root(path: Path) -> dict[str, Any]:
    """The attributes of a finished store."""
    try:
        about = read_attributes(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{path} holds no features: make them with save_features.") from None
    if about.get(MARK) != FORMAT:
        raise DataError(f"{path} is not a store of features in format {FORMAT}, which this version reads.")
    if about.get("is_finished") is not True:
        raise DataError(f"The features in {path} are not finished: call save_features again, it continues.")
    groups, exclusions = about.get("groups"), about.get("exclusions")
    is_whole = (
        all(isinstance(about.get(name), str) for name in (*_MADE_BY, "key"))
        and isinstance(groups, dict)
        and all(isinstance(subject, str) for subject in groups.values())
        and isinstance(exclusions, list)
    )
    if not is_whole or not groups or not all(map(GROUP_NAME.fullmatch, groups)):
        raise DataError(_damaged(path))
    return about


def read_exclusions(path: Path | str) -> tuple[Exclusion, ...]:
    """Read what `save_features` left out, and why.

    Parameters
    ----------
    path : path
        A store written by `save_features`.

    Raises
    ------
    DataError
        If it is not one, or not finished.
    """
    found = _root(Path(path))["exclusions"]
    try:
        return tuple(Exclusion(**item) for item in found)
    except TypeError:
        raise DataError(_damaged(Path(path))) from None


def open_features(path: Path | str, *, families: Sequence[str] | None = None) -> xr.Dataset:
    """Open stored features as one table.

    Parameters
    ----------
    path : path
        A store written by `save_features`.
    families : sequence of str, optional
        Only these are read. Default: all.

    Returns
    -------
    features : xarray.Dataset
        The subjects of the last `save_features` below one another, as `extract` gives them; a rating that one
        lacks is NaN there. With dask installed the families are dask arrays, one chunk a subject, read when
        they are needed (and wrong if the store is replaced before that); otherwise they are in memory.

    Raises
    ------
    DataError
        If it is not such a store, not finished, damaged, being replaced, or without a family asked for.
    """
    path = Path(path)
    about = _root(path)
    keys = {path / name: group_key(about["key"], subject) for name, subject in about["groups"].items()}
    groups = [_group(folder, key) for folder, key in keys.items()]
    there = groups[0].attributes["families"]
    wanted = there if families is None else list(dict.fromkeys(families))
    if unknown := [name for name in wanted if name not in there]:
        raise DataError(f"{path} holds no features {unknown[0]!r}; it holds {', '.join(there)}.")
    try:
        table = _join(groups, wanted, there)
    except FileNotFoundError as error:
        raise DataError(_being_replaced(Path(error.filename))) from None
    for before in groups:
        # Files of another group may have come into the place of this one while they were read.
        if _group(before.folder, keys[before.folder]) != before:
            raise DataError(_being_replaced(before.folder))
    return table.assign_attrs({name: about[name] for name in _MADE_BY})


def _group(folder: Path, key: str) -> Group:
    """The metadata of one group, if it has this key."""
    try:
        found = read_group(folder)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(_being_replaced(folder)) from None
    about, nodes = found.attributes, found.nodes
    if about.get("key") != key:
        raise DataError(_being_replaced(folder))
    families = about.get("families")
    n_windows = {node["shape"][0] for node in nodes.values() if node["dimension_names"][0] == "window"}
    is_whole = isinstance(families, list) and all(
        name in nodes and nodes[name]["dimension_names"][0] == "window" for name in ["window", *families]
    )
    if not is_whole or len(n_windows) != 1:
        raise DataError(_damaged(folder))
    # Memory is asked for by the number of windows, so that must be true before any is.
    array_file(found, "window")
    return found


def _join(groups: Sequence[Group], wanted: Sequence[str], families: Sequence[str]) -> xr.Dataset:
    """Read and put below one another; what has no dimension ``window`` is the same in all groups."""
    counts = [group.nodes["window"]["shape"][0] for group in groups]
    names = dict.fromkeys(name for group in groups for name in group.nodes if name not in families)
    needed = {"window", *(dim for name in wanted for dim in groups[0].nodes[name]["dimension_names"])}
    variables, coordinates = {}, {}
    for name in [*wanted, *names]:
        having = [group for group in groups if name in group.nodes]
        node = having[0].nodes[name]
        dims, attributes = node["dimension_names"], dict(node["attributes"])
        if not needed >= set(dims):
            continue
        if name in wanted:
            for group in groups:
                same = group.nodes.get(name, {})
                if (same.get("dimension_names"), same.get("shape", [])[1:]) != (dims, node["shape"][1:]):
                    raise DataError(_damaged(group.folder))
            attributes.pop("coordinates", None)
            variables[name] = (dims, _rows(groups, name), attributes)
        elif dims == ["window"]:
            parts = [
                read_array(group, name) if name in group.nodes else np.full(count, np.nan)
                for group, count in zip(groups, counts, strict=True)
            ]
            coordinates[name] = (dims, np.concatenate(parts), attributes)
        else:
            coordinates[name] = (dims, read_array(having[0], name), attributes)
    try:
        return xr.Dataset(variables, coords=coordinates)
    except ValueError as error:
        raise DataError(f"{_damaged(groups[0].folder)} ({error})") from None


def _rows(groups: Sequence[Group], name: str) -> Any:
    """All rows of one family, lazily where dask is there."""
    if find_spec("dask") is not None:
        dask = importlib.import_module("dask.array")
        parts = [read_array(group, name, lazily=True) for group in groups]
        return dask.concatenate([dask.from_array(part, chunks=part.shape) for part in parts])
    dtype = np.result_type(*{group.nodes[name]["data_type"] for group in groups})
    for group in groups:
        array_file(group, name)
    shape = groups[0].nodes[name]["shape"]
    n_rows = sum(group.nodes[name]["shape"][0] for group in groups)
    # One subject after the other into its place: never two copies of all.
    whole = np.empty((n_rows, *shape[1:]), dtype=dtype)
    first = 0
    for group in groups:
        part = read_array(group, name)
        whole[first : first + len(part)] = part
        first += len(part)
    return whole
