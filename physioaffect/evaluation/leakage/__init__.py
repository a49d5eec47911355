"""Leakage audit: what the test side has told the training side, found in any split."""

from physioaffect.evaluation.leakage.auditing import audit, audit_folds, audit_plan, audit_table
from physioaffect.evaluation.leakage.finding import KINDS, Audit, Finding
from physioaffect.evaluation.leakage.probing import probe, probe_rows
from physioaffect.evaluation.leakage.recording import RecordingProbe, RowLog

__all__ = [
    "KINDS",
    "Audit",
    "Finding",
    "RecordingProbe",
    "RowLog",
    "audit",
    "audit_folds",
    "audit_plan",
    "audit_table",
    "probe",
    "probe_rows",
]
