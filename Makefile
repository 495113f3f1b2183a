# make demo    set up, train on the simulated Sun, look inside the network
# make forecast    set up, then issue, keep and score forecasts of the simulated Sun, and write their page
# make test    set up, then style, import direction and tests that take moments
# make check   the same with all tests that CI runs, those that train networks among them
# make bench   measure every claim about speed
# make docs    build the site, its gallery run on the simulated Sun: docs/_build/html/index.html
# make notebooks   turn the gallery into .ipynb for Jupyter
# make mutation    read thousands of damaged and hostile files, and list what is accepted of them
# make test PYTHON=python3.13 VENV=.venv-3.13    on another version of Python, in an environment beside the first
# make next    tests that the next TensorFlow may break, on its release candidate, in an environment of its own
PYTHON ?= python3
VENV = .venv
RUN = $(VENV)/bin/python
VERSION = -c 'import sys; print("%d.%d" % sys.version_info[:2])'

# An environment that is there would be used whatever PYTHON says.
ifneq ($(origin PYTHON),file)
ifneq ($(wildcard $(RUN)),)
ifeq ($(filter clean,$(MAKECMDGOALS)),)
ifneq ($(shell $(PYTHON) $(VERSION)),$(shell $(RUN) $(VERSION)))
$(error $(VENV) holds another Python than $(PYTHON): add VENV=.venv-other for one beside it, or make clean first)
endif
endif
endif
endif

.PHONY: demo forecast style test check next bench docs notebooks mutation clean

$(VENV)/installed: setup.py constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(VENV)/installed
	$(RUN) examples/demo.py

forecast: $(VENV)/installed
	$(RUN) examples/operational/simulated.py

CHECKED = -m "not slow and not browser and not benchmark and not remote_data"

style: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/codespell
	$(VENV)/bin/lint-imports

test: style
	$(RUN) -m pytest -q -n 2 --dist worksteal

check: style
	$(RUN) -m pytest -q -n 2 --dist worksteal $(CHECKED)

# Keras stays as pinned: the candidate asks for a nightly one, which pip would put in its place.
NEXT = tensorflow==2.22.0rc0
TOUCHED = layers.py convert_network.py network_size.py experiment.py
next:
	$(PYTHON) -m venv .venv-next
	.venv-next/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	.venv-next/bin/python -m pip install --quiet --disable-pip-version-check --no-deps "$(NEXT)"
	.venv-next/bin/python -m pytest -q -n 2 --dist worksteal $(CHECKED) software_tests/science/test_tf_keras_vis.py \
		$(TOUCHED:%=software_tests/network_models/test_%)

bench: $(VENV)/installed-dev
	$(RUN) benchmarks/run.py

$(VENV)/installed-notebooks: $(VENV)/installed
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[notebooks]"
	touch $@

notebooks: $(VENV)/installed-notebooks
	$(VENV)/bin/jupytext --to ipynb examples/gallery/*.py

$(VENV)/installed-docs: $(VENV)/installed
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@

docs: $(VENV)/installed-docs
	$(RUN) docs/build.py

mutation: $(VENV)/installed-dev
	$(RUN) software_tests/mutation/run.py

clean:
	rm -rf $(VENV) docs/_build *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
