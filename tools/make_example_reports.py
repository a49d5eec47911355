"""Make the example reports of docs/reports from real recordings.

    python tools/make_example_reports.py PATH_OF_EEGMAT PATH_OF_STRESS_PREDICT OUT

OUT keeps a result folder for each, so that it can be interrupted and given again, and so that a change of the
report alone is shown at once.
"""

import shutil
import sys
from pathlib import Path

from physioaffect.cli import app

REPORTS = Path(__file__).resolve().parent.parent / "docs" / "reports"
OPTIONS = {
    "eegmat": ["--protocol", "loso,loso_transductive,window_random", "--features", "de"],
    "stress_predict": ["--protocol", "loso,loso_transductive,within_subject_trial"],
}
MODELS = "lda,logistic,random_forest"


def main() -> None:
    """Evaluate both data sets and copy the pages."""
    out = Path(sys.argv[3])
    for (name, options), path in zip(OPTIONS.items(), sys.argv[1:3], strict=True):
        command = ["evaluate", name, path, "--model", MODELS, *options, "--out", str(out / name)]
        app(command, standalone_mode=False)
        REPORTS.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(out / name / "report.html", REPORTS / f"{name}.html")


if __name__ == "__main__":
    main()
