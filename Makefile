# Everything is set up on first use, in .venv: a fresh machine needs Python 3.11 or newer (with venv) and make.
# `make PYTHON=/path/to/python test` chooses the interpreter, `make test ARGS="-k word"` hands arguments on.

VENV := .venv
BIN := $(VENV)/bin
PYTHONS := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
PACKAGES := engine scheduler nodes viz
ARGS :=

# A strict editable install links single files, so one that was added or removed needs linking anew.
LINKS := build/.linked
SOURCES := $(shell find $(PACKAGES) -name '*.py' -o -name '*.pyi' -o -name '*.js' -o -name py.typed -o -path '*/watch_page/*' | LC_ALL=C sort)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
EDITABLE := --no-build-isolation --config-settings editable_mode=strict --editable

# Many interpreters are started, by tests and benchmarks, none of which should compile our sources again.
COMPILE := $(BIN)/python -m compileall -q build
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check bench soak docs mutants stub dev clean FORCE

help:  ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.demo $(LINKS)  ## answer a question from the documents of the standard library
	$(BIN)/python examples/retrieval.py $(ARGS)

test: $(VENV)/.dev $(LINKS)  ## run the whole test suite
	@$(COMPILE)
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: $(VENV)/.dev $(LINKS)  ## lint, formatting, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES:%=-p anabranch.%)
	$(BIN)/mypy benchmarks examples mutation tests
	$(BIN)/python -m pytest tests/test_layers.py

bench: $(VENV)/.dev $(LINKS)  ## measure against hand-written Python
	@$(COMPILE)
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/.dev $(LINKS)  ## simulate random programs for ten minutes
	$(BIN)/python tests/soak.py $(ARGS)

mutants: $(VENV)/.mutants $(LINKS)  ## change the code in random places and see whether tests notice
	$(BIN)/python -m mutation $(ARGS)

docs: $(VENV)/.dev $(LINKS)  ## draw the pictures of the documentation from the examples
	$(BIN)/python tests/documentation_pictures.py

stub: $(VENV)/.dev $(LINKS)  ## tell type checkers what anabranch.nodes exports
	$(BIN)/python tests/exports_stub.py

dev: $(VENV)/.dev $(LINKS)  ## set up for work on the project
	@echo "Ready in $(VENV). Next: 'source $(BIN)/activate', 'make test', 'make check'; CONTRIBUTING.md says the rest."

clean:  ## remove everything that make has made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@for python in $(PYTHONS); do \
	    if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "making $(VENV) with $$($$python --version)" && $$python -m venv $(VENV) && exit; \
	    fi; \
	done; \
	echo "No Python 3.11 or newer with venv among: $(PYTHONS). Install one (on Debian also python3-venv)," >&2; \
	echo "or name it: make PYTHON=/path/to/python" >&2; \
	exit 1
	$(INSTALL) "setuptools>=77"
	@touch $@

$(VENV)/.sources: FORCE | $(VENV)/.created
	@printf '%s\n' $(SOURCES) > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(VENV)/.demo $(VENV)/.dev $(VENV)/.mutants: $(VENV)/.%: pyproject.toml | $(VENV)/.created $(VENV)/.sources
	$(INSTALL) $(EDITABLE) ".[$*]"
	@touch $@ $(LINKS)

$(LINKS): $(VENV)/.sources engine/version.py | $(VENV)/.created
	$(INSTALL) $(EDITABLE) . --no-deps
	@touch $@
