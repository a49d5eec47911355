"""How long ``import physioaffect`` and ``physioaffect --help`` take: fresh processes, beside Python alone."""

import os
import subprocess
import sys

import pytest

PROGRAMS = {
    "python alone": "pass",
    "import physioaffect": "import physioaffect",
    "physioaffect --help": "import sys; sys.argv = ['physioaffect', '--help']; "
    "from physioaffect.cli import main; main()",
}


@pytest.mark.parametrize("name", PROGRAMS)
def bench_import(benchmark, name):
    def start() -> None:
        subprocess.run([sys.executable, "-c", PROGRAMS[name]], check=True, stdout=subprocess.DEVNULL)

    benchmark.pedantic(start, rounds=9, warmup_rounds=1)
    before = os.times()
    start()
    after = os.times()
    benchmark.extra_info["user_s"] = round(after.children_user - before.children_user, 3)
