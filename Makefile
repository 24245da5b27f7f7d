# make toy      simulate, measure and report the toy study          make test     the tests, 15 to 20 minutes
# make nano     the smallest study, under a minute                  make check    what is wrong with a study, or its plan
# make tiny     a small study with every modality                   make report   Snakemake's own report beside ours
# make real     real files: make real DATA=../shared/data           make recovery measured beside simulated truth
# make freeze   record the claims, before data                      make unblind  record what the verdicts rest on, once
# make calibrate  how often verdicts are right on this design, by simulation (all cores, minutes)
# make power    what the design can detect, and animals needed     make allocate animals to arms, specimens to batches
# make lint     formatting and lint                                 make ci       all that the CI machine runs
# make peers    the tools that we are compared with          make mutants  changes of the library that no test notices
# One's own study: make run CONFIG=my_study/config.yaml, on a cluster with PROFILE=profiles/slurm
PYTHON ?= $(shell sh envs/environment.sh python)
CORES ?= 2
CONFIG ?= config/config.yaml
DATA ?= ../shared/data
VENV := .venv
BIN := $(VENV)/bin
# The library is found without being installed; the tests and the commands below use the checkout.
export PYTHONPATH := workflow/scripts
# Text is UTF-8 whatever the locale says.
export PYTHONUTF8 := 1
RUN = $(BIN)/python -m periomics.study.run $(if $(PROFILE),--workflow-profile $(PROFILE),--cores $(CORES))

toy: environment
	$(RUN)
run: environment
	$(RUN) --configfile $(CONFIG)
nano: environment
	$(RUN) --configfile config/nano/config.yaml
tiny: environment
	$(RUN) --configfile config/tiny/config.yaml
real: environment
	PERIOMICS_DATA="$(abspath $(DATA))" $(RUN) --configfile config/real/config.yaml
	PERIOMICS_DATA="$(abspath $(DATA))" $(RUN) --configfile config/airway/config.yaml
check: environment
	$(RUN) --quiet all --configfile $(CONFIG) -- check
freeze: environment
	$(RUN) --quiet all --configfile $(CONFIG) -- freeze
unblind: environment
	$(RUN) --configfile $(CONFIG) -- unblind
calibrate: environment
	$(RUN) --configfile $(CONFIG) -- calibrate
power: environment
	$(RUN) --configfile $(CONFIG) -- power
allocate: environment
	$(RUN) --configfile $(CONFIG) -- allocate
recovery: environment
	$(RUN) --configfile $(CONFIG) -- recovery
	$(BIN)/python -m periomics.simulate.recovery $(CONFIG)
report: environment
	$(RUN) --configfile $(CONFIG) --report $$($(BIN)/python -m periomics.study.run --where $(CONFIG))/report/snakemake.html
test: environment
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile -m "not slow"
lint: environment
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/snakemake --lint --configfile config/nano/config.yaml
# What `make test` runs and the slow tests in one go, two workers more than cores: slow ones wait for clusters and containers.
ci: lint every-test
# Collected once beforehand, beside lint, so that not every worker compiles all tests.
every-test: environment
	-@$(BIN)/python -m pytest -q --collect-only >/dev/null 2>&1
	$(BIN)/python -m pytest -n $$(($(CORES) + 2)) --dist loadfile --no-loadscope-reorder
sheets: environment
	$(BIN)/python -m periomics.simulate.write $$(grep -l '^simulate:' config/config.yaml config/*/config.yaml config/scenarios/*/config.yaml)
schemas: environment
	$(BIN)/python -m periomics.study.schemas
files: environment
	$(BIN)/python -m periomics.core.listing
envs: environment
	$(BIN)/python -m periomics.provenance.environments
# Tools to compare with, in an environment of their own: morphometry beside them, and the time of thickness.
peers: environment environment-peers
	PERIOMICS_PEERS="$(abspath .venv-peers/bin/python)" $(BIN)/python -m pytest tests/peers
	$(BIN)/python benchmarks/microct_thickness.py --volumes G256 L3155 --data "$(DATA)" --peers .venv-peers/bin/python
# Heavy: minutes for every changed place. docs/mutants.md holds what survived.
mutants: environment
	$(BIN)/python benchmarks/mutants.py
environment-peers:
	@sh envs/environment.sh .venv-peers requirements-peers.lock "$(PYTHON)"
lock: requirements.in
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate $< -o requirements.lock

# Made anew only where the content of the lock changed.
environment:
	@sh envs/environment.sh $(VENV) requirements.lock "$(PYTHON)"

.PHONY: toy run nano tiny real check freeze unblind calibrate power allocate recovery report test lint ci sheets files schemas envs lock environment environment-peers peers mutants
