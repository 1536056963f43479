# Each target does its own set-up; `make demo` and `make test` come first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Two, also where there are more cores: each process holds a TensorFlow.
TEST_PROCESSES ?= 2
# The oldest and the newest that are supported, for `make test-matrix`.
PYTHON310 ?= python3.10
PYTHON313 ?= python3.13
OLDEST := .venv-py310-tf216
NEWEST := .venv-py313-tf221

DEMO := demo
DEMO_RECIPE := ssd_300_quarter_shapes
DEMO_CHECKPOINT := checkpoints/ssd_300_vgg_quarter_shapes.ckpt
RECORDS := --dataset_name=shapes --dataset_dir=$(DEMO)/records
CONVERT := $(BIN)/python tf_convert_data.py --dataset_dir=$(DEMO)/shapes \
  --labels_file=$(DEMO)/shapes/labels.txt --output_dir=$(DEMO)/records
EVALUATE := $(BIN)/python eval_ssd_network.py $(RECORDS) --batch_size=8

.PHONY: help setup test test-matrix test-oldest test-newest lint bench demo \
  demo-checkpoint clean

help:
	@echo 'make demo   convert, train, evaluate, detect, export on drawn shapes'
	@echo 'make test   all tests'
	@echo 'make lint   ruff'
	@echo 'make test-matrix  all tests, also on the oldest and newest versions'
	@echo 'make bench  speed, beside other engines (benchmarks/README.md)'
	@echo 'make setup  only the environment ($(VENV)) that those use'
	@echo 'make clean  remove the environments and demo/'

setup: $(INSTALLED)

# Made anew when what has to be installed changes; the file $(INSTALLED) comes
# last, so that an installation that broke off is begun again.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' \
	  || { echo 'Python 3.10 to 3.13 is needed; name one: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
	  || { echo 'No virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt \
	  --editable '.[dev,notebooks,export]'
	@touch $@

test: $(INSTALLED)
	$(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile

test-matrix: test test-oldest test-newest

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile

test-newest: $(NEWEST)/.installed
	$(NEWEST)/bin/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile

# A comma would part the arguments.
COMMA := ,
# Arguments: interpreter, its version, the Makefile's name of it, constraints.
define install
	@$(1) -c 'import sys; sys.exit(sys.version_info[:2] != $(2))' \
	  || { echo 'No $(1) of version $(2): make test-matrix $(3)=PATH' >&2; exit 1; }
	$(1) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --constraint $(4) --editable '.[dev,notebooks,export]'
	@touch $@
endef

$(OLDEST)/.installed: pyproject.toml constraints-tf216.txt
	$(call install,$(PYTHON310),(3$(COMMA) 10),PYTHON310,constraints-tf216.txt)

$(NEWEST)/.installed: pyproject.toml constraints.txt
	$(call install,$(PYTHON313),(3$(COMMA) 13),PYTHON313,constraints.txt)

lint: $(INSTALLED)
	$(BIN)/ruff check .

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.bench

# Fine-tunes the checkpoint that comes with the project on shapes that it has
# not seen, and scores it before and after on others.
demo: $(INSTALLED)
	rm -rf $(DEMO)
	$(BIN)/python -m datasets.shapes.synthetic_shapes --output_dir=$(DEMO)/shapes \
	  --num_train=1000 --num_test=100 --seed=1
	$(CONVERT) --image_set=trainval --output_name=shapes_train
	$(CONVERT) --image_set=test --output_name=shapes_test
	$(EVALUATE) --checkpoint_path=$(DEMO_CHECKPOINT) --eval_dir=$(DEMO)/before
	$(BIN)/python train_ssd_network.py \
	  --flagfile=recipes/$(DEMO_RECIPE).flags --dataset_split_name=train \
	  --checkpoint_path=$(DEMO_CHECKPOINT) --batch_size=8 \
	  --learning_rate=0.0001 --decay_boundaries=130 --lr_decay_factors=1,0.1 \
	  --warmup_steps=20 --max_number_of_steps=200 \
	  --dataset_dir=$(DEMO)/records --train_dir=$(DEMO)/train
	$(EVALUATE) --checkpoint_path=$(DEMO)/train --eval_dir=$(DEMO)/after
	$(BIN)/python detect_ssd_network.py --checkpoint_path=$(DEMO)/train \
	  --input='$(DEMO)/shapes/JPEGImages/0010*.jpg' \
	  --output_dir=$(DEMO)/detections
	$(BIN)/python export_ssd_network.py --checkpoint_path=$(DEMO)/train \
	  $(RECORDS) --output_dir=$(DEMO)/exported --formats=openvino \
	  --precision=int8
	@echo
	@for name in before after; do echo "mAP on images not trained on," \
	  "$$name fine-tuning: $$(grep -o '"mAP_VOC07": [0-9.]*' \
	  $(DEMO)/$$name/metrics.json | cut -d' ' -f2)"; done
	@echo 'Pictures with detections:  $(DEMO)/detections/'
	@echo 'Figures and curves:        $(DEMO)/after/report/index.html'
	@echo 'For OpenVINO, in int8:     $(DEMO)/exported/'
	@echo 'Records:                   $(DEMO)/records/'
	@echo 'Checkpoint:                $(DEMO)/train/'
	@echo 'Next, an image of yours:   $(BIN)/python detect_ssd_network.py' \
	  '--checkpoint_path=$(DEMO)/train --input=IMAGE --output_dir=$(DEMO)/mine'

# How that checkpoint was made: 40,000 images, at 5 a second on two cores.
demo-checkpoint: $(INSTALLED)
	rm -rf $(DEMO)
	$(BIN)/python -m datasets.shapes.synthetic_shapes --output_dir=$(DEMO)/shapes \
	  --num_train=6000 --num_test=200 --seed=0
	$(CONVERT) --image_set=trainval --output_name=shapes_trainval
	$(CONVERT) --image_set=test --output_name=shapes_test
	$(BIN)/python train_ssd_network.py \
	  --flagfile=recipes/$(DEMO_RECIPE).flags \
	  --dataset_dir=$(DEMO)/records --train_dir=$(DEMO)/train
	$(EVALUATE) --checkpoint_path=$(DEMO)/train --eval_dir=$(DEMO)/eval
	$(BIN)/python -m engine.exporting.weights $(DEMO)/train $(DEMO_CHECKPOINT)

clean:
	rm -rf $(VENV) $(OLDEST) $(NEWEST) demo
