"""Loggers of other libraries, heard only in errors for a while."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["errors_only"]


@contextmanager
def errors_only(*names: str) -> Iterator[None]:
    """Let only errors pass that are logged by these names, not those below them.

    A filter is put on each and taken off again; levels may be another's choice, made while this runs.

    Examples
    --------
    >>> with errors_only("a.library"):
    ...     logging.getLogger("a.library").warning("To be faster, install another.")
    """

    def is_error(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    logs = [logging.getLogger(name) for name in names]
    for log in logs:
        log.addFilter(is_error)
    try:
        yield
    finally:
        for log in logs:
            log.removeFilter(is_error)
