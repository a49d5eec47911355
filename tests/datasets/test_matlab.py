"""MATLAB files that are cheap to send and dear to hold; what is read right is in the data sets' own tests."""

import struct
import zlib

import pytest

from physioaffect.datasets import DREAMER
from physioaffect.errors import DataError


def test_a_small_file_of_many_empty_cells_is_refused(tmp_path):
    n_cells = 1_000_001
    head = struct.pack("<iiii", 6, 8, 1, 0) + struct.pack("<iiii", 5, 8, 1, n_cells)
    body = head + struct.pack("<ii8s", 1, 7, b"DREAMER\0") + struct.pack("<ii", 14, 0) * n_cells
    squeezed = zlib.compress(struct.pack("<ii", 14, len(body)) + body)
    start = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<h2s", 0x0100, b"IM")
    (tmp_path / "DREAMER.mat").write_bytes(start + struct.pack("<ii", 15, len(squeezed)) + squeezed)
    assert (tmp_path / "DREAMER.mat").stat().st_size < 100_000
    with pytest.raises(DataError, match="it holds more than 1000000 cells and fields"):
        list(DREAMER.read(tmp_path))
