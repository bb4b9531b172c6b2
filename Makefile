PYTHON ?= python3
BIN := .venv/bin
STORE ?= runs

.PHONY: help install demo docs site report test test-slow test-ask chaos fuzz lint types tests format clean

help:
	@echo "make demo       install, run the demo table (about 6 minutes), print it, write the site"
	@echo "make docs       the documentation as a site in build/docs, links checked"
	@echo "make site       the documentation and the committed boards as one site in build/site"
	@echo "make report     what the records say, as one Markdown document in build/report.md"
	@echo "make test       install, lint, types, tests"
	@echo "make test-slow  the tests that take minutes each"
	@echo "make test-ask   how often \`mtlbench ask\` says RELATED where it should, and where it should not"
	@echo "make chaos      tables of 40 cells under kills and with nodes lost (about 25 minutes)"
	@echo "make fuzz       damaged files and inputs, mutated for an hour"
	@echo "make format     format the code"

# One set-up step, made again when the dependencies change.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "mtlbench needs Python 3.11 or newer; name one with make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

install: .venv/installed

demo: install
	$(BIN)/mtlbench data prepare scenes:train=96,test=60
	$(BIN)/mtlbench reproduce demo --store $(STORE) --images 2
	$(BIN)/mtlbench site --store $(STORE) --out site

# The extra of the documentation, which no other target needs.
.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open build/docs/index.html; the search needs a server: python -m http.server --directory build/docs"

# What the workflow `pages` publishes: the documentation, and the boards below it.
site: .venv/docs
	NO_MKDOCS_2_WARNING=1 MTLBENCH_BOARDS=leaderboard/index.html $(BIN)/python -m mkdocs build --strict --site-dir build/site
	$(BIN)/mtlbench site --store leaderboard/results --out build/site/leaderboard

report: install
	$(BIN)/python -m leaderboard.report.document build/report.md

test: lint types tests

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

tests: install
	$(BIN)/python -m pytest -m "not slow and not chaos" -n 2 --dist loadfile --no-loadscope-reorder

test-slow: install
	$(BIN)/python -m pytest -m slow

test-ask: install
	$(BIN)/python -m pytest -s -m slow tests/leaderboard/ask tests/bench/execution/test_ask.py tests/bench/cli/test_ask_command.py

chaos: install
	$(BIN)/python -m pytest -m chaos tests/bench

fuzz: install
	MTLBENCH_FUZZ_SECONDS=3600 $(BIN)/python -m pytest tests/fuzz

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv site build .mypy_cache .ruff_cache .pytest_cache *.egg-info
