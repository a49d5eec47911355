"""The files of an E4 session as they lie in a folder or a zip: found, bounded in size, and decoded."""

from __future__ import annotations

import lzma
import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from physioaffect.errors import DataError

__all__ = ["E4_FILES", "ZIP_ERRORS", "e4_files", "session_contents", "text_of"]

E4_FILES = (
    "ACC.csv",
    "BVP.csv",
    "EDA.csv",
    "TEMP.csv",
    "HR.csv",
    "IBI.csv",
)  # And tags, under several names.
_TAGS = re.compile(r"tags\w*\.csv")

# The largest file of the two days that a battery lasts (BVP.csv) has 11 million lines of about ten bytes.
_LARGEST_FILE = 128 * 2**20
_LARGEST_SESSION = 2 * _LARGEST_FILE

# What zipfile and its decompressors raise on damaged, encrypted or exotic archives.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def e4_files(path: Path | str) -> list[Path]:
    """List the files that `read_e4` would open: the zip itself, or the csv files in the folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("EDA.csv", "tags_S01.csv", "info.txt"):
    ...         Path(folder, name).touch()
    ...     print([path.name for path in e4_files(folder)])
    ['EDA.csv', 'tags_S01.csv']
    """
    path = Path(path)
    return [path] if path.is_file() else _in_folder(path)


def session_contents(path: Path, n_bytes: int | None = None) -> dict[str, bytes]:
    """Give what is in each file of a session, a folder or a zip, by its name; or its first bytes.

    Raises
    ------
    DataError
        If there is no such session, or a file is too large.
    """
    if path.is_dir():
        files = _in_folder(path)
        _check_unique([file.name for file in files], path)
        return {file.name: _read_file(file, n_bytes) for file in files}
    if path.is_file():
        return _read_zip(path, n_bytes)
    raise DataError(f"There is no {path}: give the folder or zip that the E4 session was exported to.")


def _belongs(name: str) -> bool:
    return name in E4_FILES or _TAGS.fullmatch(name) is not None


def _check_unique(names: list[str], path: Path) -> None:
    kinds = ["tags.csv" if _TAGS.fullmatch(name) else name for name in names]
    if twice := sorted({kind for kind in kinds if kinds.count(kind) > 1}):
        raise DataError(
            f"{path} holds {twice[0]} {kinds.count(twice[0])} times, so it is not clear which one is meant. "
            "Put each session into a folder or zip of its own."
        )


def _in_folder(folder: Path) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder} cannot be opened as a folder: {error.strerror}.") from error
    return [file for file in files if _belongs(file.name) and file.is_file()]


def _read_file(path: Path, n_bytes: int | None) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(n_bytes or _LARGEST_FILE + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
    if len(content) > _LARGEST_FILE:
        raise _too_large(path)
    return content


def _too_large(path: Path) -> DataError:
    return DataError(
        f"{path} has more than {_LARGEST_FILE // 2**20} MB, more than an E4 can record in two days, so it is "
        "not one of its files. Export the session again."
    )


def _read_zip(path: Path, n_bytes: int | None) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            # The last part of a name is all that is used of it, so that no name can point elsewhere.
            wanted = [
                (PurePosixPath(info.filename.replace("\\", "/")).name, info)
                for info in archive.infolist()
                if not info.is_dir() and stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
            ]
            wanted = [(name, info) for name, info in wanted if _belongs(name)]
            _check_unique([name for name, _ in wanted], path)
            if sum(info.file_size for _, info in wanted) > _LARGEST_SESSION:
                raise DataError(
                    f"{path} would expand to more than {_LARGEST_SESSION // 2**20} MB, more than an E4 can "
                    "record in two days, so it is not one of its exports. Export the session again."
                )
            for name, info in wanted:
                if info.file_size > _LARGEST_FILE:
                    raise _too_large(path / name)
                with archive.open(info) as stream:
                    # The sizes in a zip are claims: what comes out is measured again.
                    contents[name] = stream.read(n_bytes or _LARGEST_FILE + 1)
                if len(contents[name]) > _LARGEST_FILE:
                    raise _too_large(path / name)
    except DataError:  # It is a ValueError, too.
        raise
    except ZIP_ERRORS as error:
        raise DataError(
            f"{path} is not a readable zip ({error}). Give the zip or the folder of a session, not one of "
            "its files; if it is one, it was cut off when it was copied, or it is encrypted: export it again."
        ) from error
    return contents


def text_of(content: bytes, path: Path) -> str:
    """Decode a file of a session; `DataError` if it is no text."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(
            f"{path} is not a text file: it starts with {content[:12]!r}. An E4 file is plain text (ASCII or "
            "UTF-8); if a program saved it in another encoding, export the session again."
        )
    return text.replace("\r\n", "\n").rstrip()
