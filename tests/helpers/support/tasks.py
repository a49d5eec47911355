"""Tasks that worker processes can import."""

import os
import threading
import time
from pathlib import Path


def where(seconds):
    time.sleep(seconds)
    return os.getpid()


def in_thread(seconds):
    time.sleep(seconds)
    return threading.get_ident()


def fail_elsewhere(parent):
    time.sleep(0.2)
    if os.getpid() != parent:
        raise ValueError("lost")


def touch(path):
    Path(path).touch()
    time.sleep(0.1)
