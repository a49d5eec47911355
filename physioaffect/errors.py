"""Errors that a user can mend; each says what was found, what was expected and how to mend it."""

__all__ = ["DataError", "PhysioaffectError", "ProtocolError", "RunError"]


class PhysioaffectError(ValueError):
    """Base of every error that a user can mend; the command line prints it as a paragraph."""


class DataError(PhysioaffectError):
    """A file or folder is not what its data set or device is distributed as."""


class ProtocolError(PhysioaffectError):
    """The data at hand cannot support what a protocol, task or model asks for."""


class RunError(PhysioaffectError):
    """A result folder cannot be written, read or continued."""
