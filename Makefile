# Each target does its own set-up; `make demo` and `make test` come first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Two, also where there are more cores: each process holds a TensorFlow.
TEST_PROCESSES ?= 2

SHAPES := demo/shapes
RECORDS := demo/records
TRAIN := demo/train
MODEL := ssd_300_vgg_quarter

.PHONY: help setup test lint demo clean

help:
	@echo 'make demo   convert, train, evaluate, detect on drawn shapes'
	@echo 'make test   all tests'
	@echo 'make lint   ruff'
	@echo 'make setup  only the environment ($(VENV)) that those use'
	@echo 'make clean  remove $(VENV) and demo/'

setup: $(INSTALLED)

# Made anew when what has to be installed changes; the file $(INSTALLED) comes
# last, so that an installation that broke off is begun again.
$(INSTALLED): setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' \
	  || { echo 'Python 3.10 to 3.13 is needed; name one: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
	  || { echo 'No virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt \
	  --editable '.[dev]'
	@touch $@

test: $(INSTALLED)
	$(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .

demo: $(INSTALLED)
	rm -rf $(SHAPES) $(RECORDS) $(TRAIN) demo/eval demo/detections
	$(BIN)/python -m datasets.synthetic_shapes --output_dir=$(SHAPES) \
	  --num_train=1200 --num_test=200 --seed=0
	$(BIN)/python tf_convert_data.py --dataset_name=pascalvoc \
	  --dataset_dir=$(SHAPES) --labels_file=$(SHAPES)/labels.txt \
	  --image_set=trainval --output_name=shapes_train --output_dir=$(RECORDS)
	$(BIN)/python tf_convert_data.py --dataset_name=pascalvoc \
	  --dataset_dir=$(SHAPES) --labels_file=$(SHAPES)/labels.txt \
	  --image_set=test --output_name=shapes_test --output_dir=$(RECORDS)
	$(BIN)/python train_ssd_network.py --model_name=$(MODEL) \
	  --dataset_name=shapes --dataset_split_name=train \
	  --dataset_dir=$(RECORDS) --train_dir=$(TRAIN) \
	  --max_number_of_steps=600 --batch_size=16
	$(BIN)/python eval_ssd_network.py --model_name=$(MODEL) \
	  --dataset_name=shapes --dataset_split_name=test \
	  --dataset_dir=$(RECORDS) --checkpoint_path=$(TRAIN) \
	  --eval_dir=demo/eval
	$(BIN)/python detect_ssd_network.py --checkpoint_path=$(TRAIN) \
	  --input='$(SHAPES)/JPEGImages/*.jpg' --output_dir=demo/detections
	@echo
	@echo 'Pictures with detections:  demo/detections/'
	@echo 'Records:                   $(RECORDS)/'
	@echo 'Checkpoint:                $(TRAIN)/'
	@echo 'Figures per class:         demo/eval/metrics.json'
	@echo 'Next, one of your own:     $(BIN)/python detect_ssd_network.py' \
	  '--checkpoint_path=$(TRAIN) --input=IMAGE --output_dir=demo/mine'

clean:
	rm -rf $(VENV) demo
