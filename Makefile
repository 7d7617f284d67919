# All the work is in bootstrap.py, which also runs where there is no make: py bootstrap.py lab
PYTHON ?= python3

.PHONY: help install lab test test-all lessons slides lock clean
help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##/make \1:/p' $(MAKEFILE_LIST)
lab:  ## make the environment and open JupyterLab on lesson 00
install:  ## make the environment alone
test:  ## every check: lint, types, unit tests, lessons, exercises, browser
test-all:  ## the same with what takes long
slides:  ## build slides/html/*.html, which open without a network
lessons:  ## run the notebooks again and store their outputs (some: make lessons NAMES="03 04")
install lab test test-all lessons slides:
	@$(PYTHON) bootstrap.py $@ $(NAMES)
lock: install  ## pin the newest versions that pyproject.toml allows
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	  --fork-strategy fewest --no-annotate --custom-compile-command "make lock" \
	  --extra dev --extra provenance pyproject.toml -o requirements.txt
clean:  ## remove what is built here, the environment included
	rm -rf .venv node_modules slides/html build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
