"""What was recorded and how much of it can be trusted, session by session, as one HTML page."""

from physioaffect.quality_report.page import write_quality_report

__all__ = ["write_quality_report"]
