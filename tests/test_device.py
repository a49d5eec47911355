"""What a wish for a device comes to."""

import sys

import pytest

from physioaffect.device import check_device, resolve_device
from physioaffect.errors import DataError, ProtocolError


def without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


def cuda_is(monkeypatch, is_there):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: is_there)


def test_the_processor_takes_no_torch(monkeypatch):
    without_torch(monkeypatch)
    assert resolve_device("cpu") == "cpu"


def test_auto_takes_cuda_where_there_is_one(monkeypatch):
    cuda_is(monkeypatch, True)
    assert (resolve_device("auto"), resolve_device("cuda")) == ("cuda", "cuda")
    cuda_is(monkeypatch, False)
    assert resolve_device("auto") == "cpu"
    without_torch(monkeypatch)
    assert resolve_device("auto") == "cpu"


def test_cuda_that_is_not_there_is_refused(monkeypatch):
    cuda_is(monkeypatch, False)
    with pytest.raises(ProtocolError, match=r"torch .* finds none on this machine. Use 'cpu', or 'auto'"):
        resolve_device("cuda")


def test_cuda_without_torch_names_what_to_install(monkeypatch):
    without_torch(monkeypatch)
    with pytest.raises(DataError, match=r"not installed: pip install 'physioaffect\[torch\]'"):
        resolve_device("cuda")


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match="Unknown device 'tpu': use one of cpu, cuda, auto"):
        check_device("tpu")
