"""One table as one Zarr group on disk, written and read without the Zarr library.

A group of some twenty small arrays costs 60 ms through the library and 90 ms through xarray, most of it in
their event loop; the files themselves are written in 2 ms. The format (Zarr 3, one uncompressed chunk an
array, text as ``vlen-utf8``, consolidated metadata) is public, and ``xarray.open_zarr`` opens what is written
here. What is read must be laid out exactly as it is written here, so that nothing read decides what runs
or how much memory it takes: an array is as large as its file.
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.features.zarr_text import decode_texts, encode_texts
from physioaffect.whole_file import write_all_synced, write_synced

__all__ = [
    "NODE",
    "Encoded",
    "Group",
    "array_file",
    "below",
    "encode_arrays",
    "read_array",
    "read_attributes",
    "read_group",
    "write_arrays",
    "write_group",
]

# The file that makes a folder a group or an array, and says what is in it.
NODE = "zarr.json"
_TYPES = {"float64", "float32", "int64", "int32", "int16", "int8", "uint8", "bool", "string"}
_LARGEST_NODE = 64 * 2**20
_LARGEST_ARRAY = 16 * 2**30
_ARRAY_NAME = re.compile(r"[\w%~-]{1,200}", re.ASCII)
_SUBNORMAL = float(np.finfo(np.float32).tiny)
_LARGEST_SINGLE = float(np.finfo(np.float32).max)


def _folder(name: str) -> str:
    """Name of an array's folder; a rating may be called anything, also ``../stress``."""
    return quote(name, safe="").replace(".", "%2E").replace("__", "%5F%5F")


def _chunk_name(n_dims: int) -> str:
    return ".".join(["c", *["0"] * n_dims])


def _array_node(
    shape: Sequence[int], data_type: str, dims: Sequence[str], attributes: Mapping[str, Any]
) -> dict[str, Any]:
    encode: dict[str, Any] = {"name": "vlen-utf8", "configuration": {}}
    if data_type != "string":
        encode = {"name": "bytes", "configuration": {"endian": "little"}}
    fill: Any = {"f": "NaN", "s": "", "b": False}.get(data_type[0], 0)
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [max(n, 1) for n in shape]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": fill,
        "codecs": [encode],
        "attributes": dict(attributes),
        "dimension_names": list(dims),
        "storage_transformers": [],
    }


def _plain(value: Any) -> Any:
    """What JSON has no word for: numbers and arrays of NumPy."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(
        f"An attribute of a stored table is text, a number or a list, not {type(value).__name__}."
    )


def _json(content: Mapping[str, Any]) -> bytes:
    # In ASCII: a path of unknown encoding in a sentence has no UTF-8.
    return json.dumps(content, default=_plain).encode()


def _stored(name: str, values: NDArray[Any], *, is_family: bool) -> NDArray[Any]:
    """The values in a type of `_TYPES`: families in single precision where that costs nothing else."""
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values.flat):
        values = values.astype(np.str_)
    if is_family and values.dtype == np.float64:
        with np.errstate(invalid="ignore"):
            size = np.abs(values)
            fits = np.isnan(size) | (size == 0) | ((size >= _SUBNORMAL) & (size <= _LARGEST_SINGLE))
        values = values.astype(np.float32) if fits.all() else values
    if not _ARRAY_NAME.fullmatch(_folder(name)):
        raise DataError(f"A column needs a name of 1 to 200 bytes, got {name!r}: rename it.")
    is_flat_text = values.dtype.kind == "U" and values.ndim == 1
    if is_flat_text and (odd := [text for text in np.unique(values) if not _is_unicode(text)]):
        raise DataError(f"{name} cannot be stored: {odd[0]!r} is not text that UTF-8 can hold. Rename it.")
    if values.ndim == 0 or not (is_flat_text or str(values.dtype) in _TYPES):
        raise DataError(
            f"{name} cannot be stored: it is {values.dtype} of shape {values.shape}. Features and "
            "coordinates are numbers, truth values or columns of text."
        )
    return values


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


class Encoded(NamedTuple):
    """An array as its folder will hold it: the folder's name, the metadata, and one chunk."""

    name: str
    node: dict[str, Any]
    chunk: bytes | memoryview


def encode_arrays(table: xr.Dataset) -> list[Encoded]:
    """Encode a table's arrays for `write_arrays`.

    Parameters
    ----------
    table : xarray.Dataset
        Variables become single precision, unless they hold numbers that are too large or too small for it
        (beyond 3.4e38, below 1.2e-38): what is lost is below 6e-8 of each value.

    Returns
    -------
    arrays : list of Encoded
        `write_group` has to say the node of each by its name.

    Raises
    ------
    DataError
        If a variable has a type that the store has not.
    """
    # The names that xarray needs in order to tell a coordinate from a variable.
    listed = " ".join(_folder(str(name)) for name in table.coords)
    arrays = []
    for key, variable in table.variables.items():
        is_family = key in table.data_vars
        values = _stored(str(key), np.asarray(variable.values), is_family=is_family)
        is_text = values.dtype.kind == "U"
        node = _array_node(
            values.shape,
            "string" if is_text else str(values.dtype),
            [str(dim) for dim in variable.dims],
            variable.attrs | ({"coordinates": listed} if is_family else {}),
        )
        chunk: bytes | memoryview
        if is_text:
            chunk = encode_texts(values)
        else:
            # As it lies in memory: connectivity of one person takes a hundred megabytes.
            plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
            chunk = plain.reshape(-1).view(np.uint8).data
        arrays.append(Encoded(_folder(str(key)), node, chunk))
    return arrays


def write_arrays(folder: Path, arrays: Sequence[Encoded]) -> None:
    """Write arrays' folders into that of their group, durably."""
    write_all_synced(_files(folder, arrays))


def _files(folder: Path, arrays: Sequence[Encoded]) -> Iterator[tuple[Path, bytes | memoryview]]:
    for array in arrays:
        path = folder / array.name
        path.mkdir()
        yield path / _chunk_name(len(array.node["shape"])), array.chunk
        # A new file's name reaches the disk with its content; `has_all` would miss it if not.
        yield path / NODE, _json(array.node)


def write_group(folder: Path, attributes: Mapping[str, Any], nodes: Mapping[str, Any]) -> Path:
    """Write what makes a folder a group, with the metadata of all below it; return the file."""
    write_synced(folder / NODE, _json(_group_node(attributes, nodes)))
    return folder / NODE


def _group_node(attributes: Mapping[str, Any], nodes: Mapping[str, Any]) -> dict[str, Any]:
    consolidated = {"kind": "inline", "must_understand": False, "metadata": nodes}
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": attributes,
        "consolidated_metadata": consolidated,
    }


class Group(NamedTuple):
    """A group as it says it is: where, its own attributes, and its arrays' metadata by name."""

    folder: Path
    attributes: dict[str, Any]
    nodes: dict[str, dict[str, Any]]


def below(groups: Sequence[Group]) -> dict[str, Any]:
    """The metadata of groups and their arrays for the group above them: xarray looks only there."""
    nodes: dict[str, Any] = {}
    for group in groups:
        nodes[group.folder.name] = _group_node(group.attributes, {})
        nodes |= {f"{group.folder.name}/{_folder(name)}": node for name, node in group.nodes.items()}
    return nodes


def _file_size(path: Path) -> int:
    """Bytes of a file; what is none (a folder, a pipe, a device, a link in a circle) would not end well."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Mend its rights, or delete it.") from None
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path} is not a file. Delete it and make the features anew.")
    return found.st_size


def _read_node(folder: Path) -> dict[str, Any]:
    path = folder / NODE
    if _file_size(path) > _LARGEST_NODE:
        raise DataError(f"{path} is larger than {_LARGEST_NODE // 2**20} MiB: it is no group of features.")
    try:
        content = json.loads(path.read_bytes())
        if content["node_type"] == "group" and isinstance(content["attributes"], dict):
            return dict(content)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise DataError(_strange(path))


def _strange(path: Path) -> str:
    return (
        f"{path} is not a group as physioaffect writes it. It may be damaged, or of another program: open it "
        "with xarray.open_zarr if you trust it."
    )


def read_attributes(folder: Path) -> dict[str, Any]:
    """Read a group's own attributes; errors as in `read_group`."""
    attributes: dict[str, Any] = _read_node(folder)["attributes"]
    return attributes


def read_group(folder: Path) -> Group:
    """Read a group's metadata, and nothing else.

    Raises
    ------
    DataError
        If it is not laid out as `write_group` does.
    FileNotFoundError
        If there is none.
    """
    content = _read_node(folder)
    try:
        found = content["consolidated_metadata"]["metadata"]
        nodes = {unquote(name): node for name, node in found.items()}
        is_ours = all(_is_ours(name, node) for name, node in found.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        is_ours = False
    if not is_ours:
        raise DataError(_strange(folder / NODE))
    return Group(folder, content["attributes"], nodes)


def _is_ours(name: str, node: Any) -> bool:
    """Whether an array is laid out as it would be here, to the last word."""
    shape, dims, data_type = node["shape"], node["dimension_names"], node["data_type"]
    return bool(
        _ARRAY_NAME.fullmatch(name)
        and data_type in _TYPES
        and len(shape) == len(dims) == len(set(dims)) > 0
        and (data_type != "string" or len(shape) == 1)
        and all(type(n) is int and n >= 0 for n in shape)
        and all(type(dim) is str for dim in dims)
        and node == _array_node(shape, data_type, dims, node["attributes"])
    )


def _size(node: Mapping[str, Any]) -> tuple[int, int]:
    """Smallest and largest number of bytes that an array's file may have."""
    if node["data_type"] == "string":
        return 4 + 4 * math.prod(node["shape"]), _LARGEST_ARRAY
    size = math.prod(node["shape"]) * np.dtype(node["data_type"]).itemsize
    return size, min(size, _LARGEST_ARRAY)


def _chunk(group: Group, name: str) -> Path:
    return group.folder / _folder(name) / _chunk_name(len(group.nodes[name]["shape"]))


def has_all(group: Group) -> bool:
    """Whether every array has a file of the size it should have."""
    try:
        sizes = [_file_size(_chunk(group, name)) for name in group.nodes]
    except (OSError, DataError):
        return False
    limits = [_size(node) for node in group.nodes.values()]
    return all(least <= size <= most for size, (least, most) in zip(sizes, limits, strict=True))


def array_file(group: Group, name: str) -> Path:
    """The file of an array, which is as large as the array.

    Raises
    ------
    DataError
        If it is larger or smaller.
    FileNotFoundError
        If there is none.
    """
    node, path = group.nodes[name], _chunk(group, name)
    size, (least, most) = _file_size(path), _size(node)
    if not least <= size <= most:
        raise DataError(
            f"{path} has {size} bytes, not those of {node['data_type']} of shape {tuple(node['shape'])}. "
            "Make the features anew."
        )
    return path


def read_array(group: Group, name: str, *, lazily: bool = False) -> NDArray[Any]:
    """Read one array, or map its file into memory; errors as in `array_file`."""
    path, node = array_file(group, name), group.nodes[name]
    shape = tuple(node["shape"])
    if node["data_type"] == "string":
        return decode_texts(path.read_bytes(), shape[0], str(path))
    dtype = np.dtype(node["data_type"]).newbyteorder("<")
    if lazily and math.prod(shape):
        return np.memmap(path, dtype=dtype, mode="r", shape=shape)
    return np.fromfile(path, dtype=dtype).reshape(shape)
