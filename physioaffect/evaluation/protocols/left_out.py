"""Who cannot be evaluated under a protocol: reported one by one, refused if that is everybody."""

from __future__ import annotations

from physioaffect.data_set import Exclusion, Report
from physioaffect.errors import ProtocolError

__all__ = ["LeftOut"]


class LeftOut:
    """People that a protocol leaves out, and why.

    Parameters
    ----------
    protocol : str
        Its name.
    report : callable
        Told of each.
    """

    def __init__(self, protocol: str, report: Report) -> None:
        self.protocol = protocol
        self.report = report
        self.reasons: list[str] = []

    def add(self, subject: str, reason: str) -> None:
        """Leave a subject out, or a part of one; ``reason`` goes on after "it"."""
        self.reasons.append(f"subject {subject} {reason}")
        self.report(
            Exclusion(subject=subject, reason=f"Protocol {self.protocol}: it {reason}.", expected=True)
        )

    def refuse(self, needs: str, mend: str) -> ProtocolError:
        """Make the error for data of which nothing is left; ``needs`` goes on after the protocol's name."""
        first = self.reasons[0] if self.reasons else "there is nobody"
        more = " and so on" if len(self.reasons) > 1 else ""
        return ProtocolError(f"Protocol {self.protocol} {needs}, but {first}{more}. {mend}")
