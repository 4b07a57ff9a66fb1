# prism_repro: `make repro` regenerates the results, `make test` runs every test. Both set the environment up when it is missing.
#
#   PYTHON       the interpreter that .venv is made with (constraints.txt was resolved for Python 3.11)
#   TORCH_INDEX  where pip finds the torch build you want; empty: pip's own default. See README, "Choosing a torch build".
#   PROFILE      which profile `make repro` runs: quick (default) or a folder of profiles/
#   ENGINE       dvc (default), or ray: the cells run on a Ray cluster, see nbs/grid/69_ray.ipynb
PYTHON ?= python3.11
TORCH_INDEX ?=
PROFILE ?= quick
ENGINE ?= dvc

VENV := .venv
READY := $(VENV)/.ready
GL := work/gl-backend
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONNOUSERSITE := 1
PIPELINE := $(if $(filter quick,$(PROFILE)),dvc.yaml,profiles/$(PROFILE)/dvc.yaml)

.PHONY: help setup repro profile test peers report demo docs bench golden same-code export readme wheel-check lock clean system-deps hooks release
help:
	@sed -n '/^#/!q;s/^# //p' Makefile; echo; echo "targets: setup repro report demo test peers docs bench golden same-code export readme hooks lock wheel-check release system-deps clean"

setup: $(READY)
$(READY): constraints.txt settings.ini setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "prism_repro needs Python 3.11 or newer; '$(PYTHON)' is missing or older. Name another: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@# --no-deps: that index has torch, and other versions of what torch needs than constraints.txt names
	$(if $(TORCH_INDEX),$(VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps -c constraints.txt --index-url '$(TORCH_INDEX)' torch)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[sim,libero,control,repro,ray,onnx,docs,dev]'
	@touch $@

# The doctor renders a frame of a real task with each OpenGL back end and writes down the fastest; without one it stops here and says what to type.
$(GL): $(READY)
	@prism-repro doctor --write $@

repro: profile $(READY) $(GL)
	@test -e .git || test -e .dvc/config.local || printf '[core]\n    no_scm = true\n' > .dvc/config.local # unpacked from an archive: DVC wants to be told
	@git update-index --skip-worktree dvc.lock 2>/dev/null || true # the quick profile's lock is this machine's own
	MUJOCO_GL=$$(cat $(GL)) $(if $(filter ray,$(ENGINE)),prism-repro ray '$(PROFILE)' $(RAY_FLAGS),dvc repro '$(PIPELINE)')

# Before anything is installed.
profile:
	@test -f '$(PIPELINE)' || { echo "There is no profile '$(PROFILE)'; there are: quick $(notdir $(wildcard profiles/*))" >&2; exit 1; }

# Where ours is compared with robomimic's and Diffusion Policy's; says why, and fails nothing, where it cannot be built.
peers: $(READY)
	@python bench/peers/build.py

test: $(READY) $(GL) peers
	prism-repro check
	OMP_NUM_THREADS=1 MUJOCO_GL=$$(cat $(GL)) nbdev_test --n_workers 2 --timing
	OMP_NUM_THREADS=1 MUJOCO_GL=$$(cat $(GL)) pytest -q -n 2 --dist loadfile --durations=15 -rs

# The page a reader opens first, with every table, figure and claim rebuilt from the committed records; PROFILE=... for one profile.
report: $(READY)
	OMP_NUM_THREADS=1 prism-repro report $(if $(filter file,$(origin PROFILE)),,$(PROFILE))

# One rollout of a policy that comes with the package, as a film.
demo: $(READY) $(GL)
	MUJOCO_GL=$$(cat $(GL)) prism-repro demo

docs: $(READY)
	prism-repro docs

bench: $(READY) $(GL)
	MUJOCO_GL=$$(cat $(GL)) python bench/bench.py
	python bench/throughput.py
	python bench/noop.py

# What every encoder with every objective gives, remembered anew: only when a change of numbers is meant.
golden: $(READY)
	python -c "from prism_repro.policies.golden import write_golden; print(write_golden('tests/golden/policies.safetensors'))"

# Lets the committed records stand for today's code, after comparing: WAS, the commit that made them; BEFORE and AFTER, clones where PROFILES were made anew by
# either code; WHY, what changed. See nbs/grid/68_same_code.ipynb.
PROFILES ?= lift
same-code: $(READY)
	python -c "import sys; from prism_repro.grid.same_code import write_same_code as f; print(f('.', *sys.argv[1:5], *(a.split() for a in sys.argv[5:])))" "$$WAS" "$$BEFORE" "$$AFTER" "$$WHY" "$(PROFILES)" "$(CHANGED)"

# Everything that is generated from the notebooks: the package, the tests, the README.
export: $(READY)
	nbdev_export && nbdev_clean && prism-repro export-tests && prism-repro readme

# The front page, with the tables and figures of the committed records.
readme: $(READY)
	cp figures/lite/figure_tasks.png figures/readme.png
	jupyter execute --inplace nbs/index.ipynb && nbdev_clean --fname nbs/index.ipynb && prism-repro readme

# Does a wheel built here work in an environment that has nothing else?
wheel-check: $(READY)
	rm -rf work/wheel && python -m build -q --wheel --outdir work/wheel . && $(PYTHON) -m venv work/wheel/env
	work/wheel/env/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt work/wheel/*.whl
	cd work/wheel && env/bin/python -c "import time; t = time.time(); from prism_repro.vision.prism import PRISM; print(f'imported in {time.time() - t:.1f} s'); \
	  import torch; print(PRISM(width=64)(torch.zeros(2, 3, 76, 76)).shape)"
	! work/wheel/env/bin/python -m pip list --format=freeze | grep -iE '^(nbdev|fastcore|mujoco|robosuite|dvc|matplotlib)=='

# The merge driver and git hooks that keep notebooks clean (once per clone, for people who write them).
hooks: $(READY)
	nbdev_install_hooks

# Build and check what would be published; nothing is uploaded.
release: $(READY)
	prism-repro release

# Resolve the environment anew, inside the pins that settings.ini and constraints.in give.
lock:
	rm -rf work/lock && $(PYTHON) -m venv work/lock
	work/lock/bin/python -m pip install -q -c constraints.in -e '.[sim,libero,control,repro,ray,onnx,docs,dev]'
	{ grep '^#' constraints.in; work/lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -v '^prism'; } > constraints.txt
	rm -rf work/lock

# Debian and Ubuntu: Mesa's software OpenGL (EGL and OSMesa), and Chromium for the test that opens the site.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
system-deps:
	$(SUDO) apt-get update -qq
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libosmesa6 chromium chromium-driver >/dev/null
	@rm -f $(GL)

clean:
	rm -rf _proc _docs _site _site_src build dist *.egg-info .pytest_cache
