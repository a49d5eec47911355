"""Fetch Stress-Predict from GitHub, and unpack only what belongs to it."""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path

from physioaffect.devices.empatica import ZIP_ERRORS
from physioaffect.errors import DataError

__all__ = ["LABELS", "download"]

LABELS = "Improved_All_Combined_hr_rsp_binary.csv"

_COMMIT = "f49d2eae603f90c3f0140fbbbae7c0480d651023"
_ARCHIVE = "https://github.com/italha-d/Stress-Predict-Dataset/archive"
_WANTED = re.compile(
    r"[^/]+/(?P<path>LICENSE|Raw_data/S\d{2}/((ACC|BVP|EDA|TEMP|HR|IBI|tags_S\d{2})\.csv|info\.txt)"
    rf"|Processed_data/{re.escape(LABELS)})"
)
# All 35 recordings and the labels make 100 MB, the largest file less than 2.
_LARGEST_FILE = 64 * 2**20
_LARGEST_IN_ALL = 2**30


def download(root: Path, *, archive: str = _ARCHIVE) -> Path:
    """Fetch the data set at the commit that its reader was written for.

    Parameters
    ----------
    root : path
        Folder to put it in; if it is complete there already, nothing is fetched.
    archive : str
        Address of the folder that holds ``<commit>.zip``.

    Returns
    -------
    root : path
        Ready to be read.

    Raises
    ------
    DataError
        If it cannot be fetched, or is not what is expected.
    """
    import pooch  # noqa: PLC0415  It brings requests, which only a download needs.

    root = Path(root)
    # The labels are written last, so with them it is complete.
    if (root / "Processed_data" / LABELS).is_file():
        return root
    address = f"{archive}/{_COMMIT}.zip"
    with tempfile.TemporaryDirectory() as folder:
        try:
            # GitHub packs archives anew now and then, so their hash is not fixed; the commit is.
            path = pooch.retrieve(address, known_hash=None, path=folder, fname="archive.zip")
        except (OSError, ValueError) as error:  # All errors of requests are an OSError.
            raise DataError(
                f"Cannot fetch {address}: {error}. Check the connection and start again; or download that "
                "zip with a browser, unpack it and give the folder that has Raw_data in it."
            ) from error
        _unpack(Path(path), root)
    return root


def _unpack(archive: Path, root: Path) -> None:
    """Write the expected members, and only those, each under a temporary name first and the labels last."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for name, info in _wanted(opened):
                # zipfile hands out no more than the size that was checked.
                _write(root / name, opened.read(info))
    except DataError:  # It is a ValueError, too.
        raise
    except ZIP_ERRORS as error:
        raise DataError(
            f"The archive of Stress-Predict cannot be unpacked into {root} ({error}). Check that there is "
            "room, and start again."
        ) from error


def _wanted(opened: zipfile.ZipFile) -> list[tuple[str, zipfile.ZipInfo]]:
    found = [(_WANTED.fullmatch(info.filename), info) for info in opened.infolist()]
    wanted = sorted(
        ((match["path"], info) for match, info in found if match), key=lambda item: item[0].endswith(LABELS)
    )
    if not wanted or not wanted[-1][0].endswith(LABELS) or len(wanted) < 3:
        raise DataError(
            f"What was fetched is not Stress-Predict: it lacks Processed_data/{LABELS} or the recordings in "
            "Raw_data. Start again later, or download the repository with a browser."
        )
    sizes = [info.file_size for _, info in wanted]
    if sum(sizes) > _LARGEST_IN_ALL or max(sizes) > _LARGEST_FILE:
        raise DataError(
            f"What was fetched would expand to {sum(sizes) // 2**20} MB with a file of {max(sizes) // 2**20} "
            "MB, Stress-Predict has 100 MB in all. It was not unpacked; start again later."
        )
    return wanted


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    partial.write_bytes(content)
    partial.replace(target)
