"""Pictures from strangers, decoded into arrays."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["read_image"]

_LARGEST_BYTES = 64 * 2**20
_LARGEST_PIXELS = 50_000_000
_BEGINNINGS = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n", "BMP": b"BM"}
# What each mode of Pillow is converted to in turn: a palette with transparency warns unless it goes by RGBA.
_CONVERSIONS = {
    "1": ("L",),
    "L": (),
    "LA": ("L",),
    "RGB": (),
    "RGBA": ("RGB",),
    "P": ("RGBA", "RGB"),
    "CMYK": ("RGB",),
}
# A foreign file can make Pillow raise any of these; its warnings are raised where the user asks for that.
_BROKEN = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, IndexError, KeyError),
    *(struct.error, zlib.error, Warning),
)
_ADVICE = "Take it from the archive again, or leave it out."


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decode one picture: JPEG, PNG or BMP, told by its first bytes whatever its name.

    Parameters
    ----------
    path : Path
        The file, at most 64 MB and 50 million pixels.

    Returns
    -------
    image : ndarray of uint8, shape (height, width) or (height, width, 3)
        Grey if the file is grey, else RGB; transparency is dropped.

    Raises
    ------
    DataError
        If the file is missing, too large, of another kind, deeper than 8 bits, or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "face.png")
    ...     Image.fromarray(np.full((48, 40, 3), 128, np.uint8)).save(path)
    ...     image = read_image(path)
    >>> image.shape, image.dtype, int(image[0, 0, 0])
    ((48, 40, 3), dtype('uint8'), 128)
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). {_ADVICE}") from error
    if len(content) > _LARGEST_BYTES:
        raise DataError(
            f"{path} has more than {_LARGEST_BYTES // 2**20} MB; no picture of a face needs that. {_ADVICE}"
        )
    for kind, begin in _BEGINNINGS.items():
        if content.startswith(begin):
            return _decode(content, kind, path)
    raise DataError(
        f"{path} begins with {content[:8]!r}; expected a picture as {', '.join(_BEGINNINGS)}. {_ADVICE}"
    )


def _decode(content: bytes, kind: str, path: Path) -> NDArray[np.uint8]:
    # Pillow takes long to import, and most readers do without it. Its classes for each kind, rather than
    # Image.open, which looks at large pictures and at odd JPEGs by itself and warns.
    from PIL.BmpImagePlugin import BmpImageFile  # noqa: PLC0415
    from PIL.JpegImagePlugin import JpegImageFile  # noqa: PLC0415
    from PIL.PngImagePlugin import PngImageFile  # noqa: PLC0415

    decoders: dict[str, Callable[[io.BytesIO], ImageFile]] = {
        "JPEG": JpegImageFile,
        "PNG": PngImageFile,
        "BMP": BmpImageFile,
    }
    try:
        picture = decoders[kind](io.BytesIO(content))
        width, height = picture.size
        if width * height > _LARGEST_PIXELS:
            raise DataError(
                f"{path} announces {width} x {height} pixels; expected at most {_LARGEST_PIXELS:,}. {_ADVICE}"
            )
        if picture.mode not in _CONVERSIONS:
            raise DataError(
                f"{path} has pixels of the mode {picture.mode}; expected grey or colour of 8 bits. {_ADVICE}"
            )
        picture.load()
        converted = picture.copy()
        for mode in _CONVERSIONS[picture.mode]:
            converted = converted.convert(mode)
        return np.asarray(converted)
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(f"{path} is a damaged {kind} ({error}). {_ADVICE}") from error
