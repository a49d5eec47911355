# Every target makes .venv and installs what it needs into it, so each works on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What needs neither torch nor the tools of developers.
OLDEST := tests/test_recording.py tests/test_windows.py tests/test_epochs.py tests/signals tests/devices tests/datasets \
    --deselect tests/signals/test_eeg_bad_input.py::test_what_cannot_be_learnt_at_any_time_is_refused
# What goes through every compiled function, in minutes where none is compiled. Compiled arithmetic never warns.
COMPILED := tests/test_compiled.py tests/evaluation/statistics \
    $(patsubst %,tests/features/test_%.py,window_kernels connectivity coupling respiration_heart hrv hrv_frequency \
    hrv_nonlinear motion eda differential_entropy) $(patsubst %,tests/pinn/test_%.py,interior_point bursts)
EXECUTED := $(patsubst %,build/%,$(wildcard notebooks/*.ipynb))

.PHONY: demo test test-slow check wheel oldest coverage docs notebooks bench format clean

demo: $(INSTALLED)  ## Simulate a small DREAMER, evaluate it under three protocols, print a table, name the report.
	rm -rf demo
	$(BIN)/physioaffect simulate dreamer demo/dreamer --subjects 8 --seconds 60
	$(BIN)/physioaffect evaluate dreamer demo/dreamer --task valence --model logistic,knn \
	    --protocol window_random,within_subject_trial,loso --out demo/results

test: $(INSTALLED)  ## Run the tests, but for those of test-slow.
	$(BIN)/pytest -n auto --dist loadscope -m 'not slow'

test-slow: $(INSTALLED)  ## Run those of more than ten seconds: simulated worlds, kills, pages of the docs, notebooks.
	$(BIN)/pytest -n auto --dist loadscope -m slow

check: $(INSTALLED)  ## Lint, check the format, the types, and the direction of the imports in the built wheel.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/python -P tools/lint_imports.py

wheel: $(INSTALLED)  ## Build sdist and wheel, install the wheel into an empty environment and run short tests there.
	$(BIN)/python -P tools/check_wheel.py

oldest: $(INSTALLED)  ## The same with the oldest supported versions, and more tests.
	$(BIN)/python -P tools/check_wheel.py --constraints constraints-oldest.txt --extras wearable -- $(OLDEST)

coverage: $(INSTALLED)  ## Run all tests, then those of compiled code uncompiled, so that its lines are counted; print what is missed.
	$(BIN)/pytest -n auto --dist loadscope --cov --cov-report=
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest $(COMPILED) -m 'not slow' -W ignore::RuntimeWarning -n auto --dist loadscope \
	    --cov --cov-append --cov-report=
	$(BIN)/coverage report --skip-covered --fail-under=92
	$(BIN)/coverage report --include='physioaffect/evaluation/*,datasets/unpickle.py' --show-missing --skip-covered --fail-under=100

docs: notebooks  ## Execute the notebooks, then build the pages into build/docs, without the network; warnings are errors.
	$(BIN)/sphinx-build -W --keep-going -n -j auto -b html $(SPHINX_OPTIONS) docs build/docs

notebooks: $(EXECUTED)  ## Execute the notebooks that have changed since into build/notebooks; make clean makes all anew.

build/notebooks/%.ipynb: notebooks/%.ipynb | $(INSTALLED)
	$(BIN)/python -P tools/run_notebooks.py build/notebooks $*

bench: $(INSTALLED)  ## Run the benchmarks behind docs/performance.md.
	$(BIN)/pytest tests/benchmarks -o python_files='bench_*.py' -o python_functions='bench_*' -p no:xdist \
	    --benchmark-only --benchmark-columns=min,median,max,rounds

format: $(INSTALLED)  ## Mend what ruff can mend.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist demo *.egg-info

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "physioaffect needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
