# make toy      simulate, measure and report the toy study          make test     the tests, 10 to 15 minutes
# make nano     the smallest study, under a minute                  make check    what is wrong with a study, or its plan
# make tiny     a small study with every modality                   make report   Snakemake's own report beside ours
# make real     real files: make real DATA=../shared/data           make recovery measured beside simulated truth
# make freeze   record the claims, before data                      make unblind  record what the verdicts rest on, once
# make calibrate  how often verdicts are right on this design, by simulation (all cores, minutes)
# make power    what the design can detect, and animals needed     make allocate animals to arms, specimens to batches
# make lint     formatting and lint                                 make ci       all that the CI machine runs
# make peers    the tools that we are compared with
# One's own study: make run CONFIG=my_study/config.yaml
PYTHON ?= $(shell for v in 3.13 3.12 3.11 3; do p=$$(command -v python$$v) && $$p -c 'import sys,ensurepip,venv; sys.exit(not (3,11)<=sys.version_info[:2]<=(3,13))' 2>/dev/null && echo $$p && break; done)
CORES ?= 2
CONFIG ?= config/config.yaml
DATA ?= ../shared/data
VENV := .venv
BIN := $(VENV)/bin
# The library is found without being installed; the tests and the commands below use the checkout.
export PYTHONPATH := workflow/scripts
# Text is UTF-8 whatever the locale says.
export PYTHONUTF8 := 1
RUN = $(BIN)/python -m periomics.study.run --cores $(CORES)

toy: $(VENV)/.ok
	$(RUN)
run: $(VENV)/.ok
	$(RUN) --configfile $(CONFIG)
nano: $(VENV)/.ok
	$(RUN) --configfile config/nano/config.yaml
tiny: $(VENV)/.ok
	$(RUN) --configfile config/tiny/config.yaml
real: $(VENV)/.ok
	PERIOMICS_DATA="$(abspath $(DATA))" $(RUN) --configfile config/real/config.yaml
check: $(VENV)/.ok
	$(RUN) --quiet all --configfile $(CONFIG) -- check
freeze: $(VENV)/.ok
	$(RUN) --quiet all --configfile $(CONFIG) -- freeze
unblind: $(VENV)/.ok
	$(RUN) --configfile $(CONFIG) -- unblind
calibrate: $(VENV)/.ok
	$(RUN) --configfile $(CONFIG) -- calibrate
power: $(VENV)/.ok
	$(RUN) --configfile $(CONFIG) -- power
allocate: $(VENV)/.ok
	$(RUN) --configfile $(CONFIG) -- allocate
recovery: $(VENV)/.ok
	$(RUN) --configfile $(CONFIG) -- recovery
	$(BIN)/python -m periomics.simulate.recovery $(CONFIG)
report: $(VENV)/.ok
	$(RUN) --configfile $(CONFIG) --report $$($(BIN)/python -m periomics.study.run --where $(CONFIG))/report/snakemake.html
test: $(VENV)/.ok
	$(BIN)/python -m pytest -n $(CORES) -m "not slow"
lint: $(VENV)/.ok
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint --configfile config/nano/config.yaml
ci: lint test
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile -m slow tests/workflow
sheets: $(VENV)/.ok
	$(BIN)/python -m periomics.simulate.write $$(grep -l '^simulate:' config/config.yaml config/*/config.yaml config/scenarios/*/config.yaml)
schemas: $(VENV)/.ok
	$(BIN)/python -m periomics.study.schemas
files: $(VENV)/.ok
	$(BIN)/python -m periomics.core.listing
envs: $(VENV)/.ok
	$(BIN)/python -m periomics.provenance.environments
# Tools to compare with, in an environment of their own: morphometry beside them, and the time of thickness.
peers: $(VENV)/.ok .venv-peers/.ok
	PERIOMICS_PEERS="$(abspath .venv-peers/bin/python)" $(BIN)/python -m pytest tests/peers
	$(BIN)/python benchmarks/microct_thickness.py --volumes G256 L3155 --data "$(DATA)" --peers .venv-peers/bin/python
.venv-peers/.ok: requirements-peers.lock
	rm -rf .venv-peers
	@if command -v uv >/dev/null; then uv venv -q --no-python-downloads --python "$(PYTHON)" .venv-peers && uv pip install -q --python .venv-peers/bin/python --require-hashes -r $<; \
	else "$(PYTHON)" -m venv .venv-peers && .venv-peers/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<; fi
	touch $@
lock: requirements.in
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate $< -o requirements.lock

# uv when it is there (about ten times faster), else plain pip; both check every hash and compile modules: without that each job
# compiles what it imports again where bytecode may not be written, half of the time of a small study.
$(VENV)/.ok: requirements.lock
	@test -n "$(PYTHON)" || { echo "periomics needs Python 3.11 to 3.13 with the venv module (Debian: apt install python3-venv), or PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c 'import sys, venv, ensurepip; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' 2>/dev/null || { echo "periomics cannot use $(PYTHON): it needs Python 3.11 to 3.13 with the venv module (Debian: apt install python3-venv)"; exit 1; }
	rm -rf $(VENV)
	@if command -v uv >/dev/null; then uv venv -q --no-python-downloads --python "$(PYTHON)" $(VENV) && uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r $<; \
	else "$(PYTHON)" -m venv $(VENV) && echo "Installing the environment (a few minutes, once)" && $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $<; fi
	touch $@

.PHONY: toy run nano tiny real check freeze unblind calibrate power allocate recovery report test lint ci sheets files schemas envs lock
