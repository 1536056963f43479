"""What a training is told: five groups, each for the modules that need it.

The defaults are those of train_ssd_network.py's flags, which say what each
field means. Nothing here needs TensorFlow.
"""
from collections.abc import Sequence
from typing import NamedTuple


class Data(NamedTuple):
    """What is trained on."""
    dataset_name: str | None = None
    dataset_split_name: str = 'train'
    dataset_dir: str | None = None
    num_classes: int | None = None  # With background.
    remove_difficult: bool = False
    num_readers: int = 4
    num_preprocessing_threads: int = 4
    preprocessing_name: str | None = None


class Model(NamedTuple):
    """Which network, what it starts from and which of it is trained."""
    model_name: str = 'ssd_300_vgg'
    anchors: str | None = None
    compute_dtype: str = 'float32'
    checkpoint_path: str | None = None
    checkpoint_model_scope: str | None = None
    checkpoint_exclude_scopes: Sequence[str] | None = None
    trainable_scopes: Sequence[str] | None = None
    ignore_missing_vars: bool = False


class Loss(NamedTuple):
    """What is minimised."""
    loss_alpha: float = 1.
    negative_ratio: float = 3.
    match_threshold: float = .5
    negatives_per_empty_image: int = 0
    label_smoothing: float = 0.
    weight_decay: float = .0005


class Optimizer(NamedTuple):
    """How it is minimised."""
    optimizer: str = 'momentum'
    learning_rate: float = .001
    learning_rate_decay_type: str = 'exponential'
    learning_rate_decay_factor: float = .94
    num_epochs_per_decay: float = 2.
    end_learning_rate: float = .0001
    decay_boundaries: Sequence[str | int] = ('80000', '100000')
    lr_decay_factors: Sequence[str | float] = ('1', '0.1', '0.01')
    warmup_steps: int = 500
    moving_average_decay: float | None = None
    momentum: float = .9
    adadelta_rho: float = .95
    adagrad_initial_accumulator_value: float = .1
    adam_beta1: float = .9
    adam_beta2: float = .999
    opt_epsilon: float = 1e-8
    ftrl_learning_rate_power: float = -.5
    ftrl_initial_accumulator_value: float = .1
    ftrl_l1: float = 0.
    ftrl_l2: float = 0.
    rmsprop_momentum: float = .9
    rmsprop_decay: float = .9
    clip_gradient_norm: float | None = None
    on_nonfinite: str = 'stop'


class Run(NamedTuple):
    """Where and for how long, how large the batches are, on which machines."""
    train_dir: str = '/tmp/tfmodel/'
    max_number_of_steps: int | None = None
    batch_size: int = 32  # Of a clone and pass.
    accumulate_steps: int = 1
    num_clones: int = 1
    clone_on_cpu: bool = False
    random_seed: int | None = None
    gpu_memory_fraction: float = .8
    log_every_n_steps: int = 10
    save_summaries_secs: int = 600
    save_interval_secs: int = 600
    save_interval_steps: int | None = None
    ps_hosts: Sequence[str] | None = None
    worker_hosts: Sequence[str] | None = None
    job_name: str | None = None
    task: int = 0
    sync_replicas: bool = False
    replicas_to_aggregate: int | None = None
    master: str = ''
    worker_replicas: int = 1
    num_ps_tasks: int = 0

    @property
    def images_per_step(self) -> int:
        """Images of one step of this process."""
        return self.batch_size * self.num_clones * self.accumulate_steps

    @property
    def global_batch_size(self) -> int:
        """Images between two values of global_step.

        Workers that add their gradients up make one step of it together;
        others make a step each.
        """
        if self.sync_replicas:
            return self.images_per_step * self.num_to_aggregate
        return self.images_per_step

    @property
    def num_workers(self) -> int:
        """Workers, of all machines."""
        return len(self.worker_hosts or ()) or self.worker_replicas

    @property
    def num_to_aggregate(self) -> int:
        """Workers whose gradients make a step; all, if not said."""
        return self.replicas_to_aggregate or self.num_workers

    @property
    def num_ps(self) -> int:
        """Parameter servers."""
        return len(self.ps_hosts or ()) or self.num_ps_tasks

    @property
    def is_chief(self) -> bool:
        """Whether this process saves checkpoints and summaries."""
        return self.task == 0 and self.job_name in (None, 'worker')
