"""What a training is told: five groups, each for the modules that need it.

They are the flags of train_ssd_network.py: name, type, help, lowest value and
default stand here alone. Nothing here needs TensorFlow.
"""
from collections.abc import Sequence
from typing import Annotated
from typing import Literal
from typing import NamedTuple

_Names = Sequence[str] | None
# What None stands for, unless the training chooses; see defaults.py.
ORDINARY = {
    'optimizer': 'momentum', 'learning_rate': .001,
    'learning_rate_decay_type': 'exponential',
    'learning_rate_decay_factor': .94, 'num_epochs_per_decay': 2.,
    'warmup_steps': 500, 'batch_size': 32, 'eval_every_n_steps': 500}


class Data(NamedTuple):
    """What is trained on."""
    dataset_name: Annotated[
        str | None, 'pascalvoc_2007, pascalvoc_2012, pascalvoc_0712 (both), '
        'or the name of your own records: <name>_<split>_*.tfrecord.'] = None
    dataset_split_name: Annotated[str, 'Split to train on.'] = 'train'
    dataset_dir: Annotated[str | None, 'Folder of the TFRecords.'] = None
    num_classes: Annotated[
        int | None, 'Classes with background; the records say it.'] = None
    remove_difficult: Annotated[bool, 'Leave difficult objects out.'] = False
    sampling: Annotated[
        Literal['balanced'] | None, 'balanced: images of rare classes come '
        'more often, by repeat factors (Gupta et al. 2019). Default: each '
        'image once an epoch.'] = None
    num_readers: Annotated[int, 'Record files read at a time.', 1] = 4
    num_preprocessing_threads: Annotated[int, 'Images at a time.', 1] = 4
    preprocessing_name: Annotated[str | None, "Default: the network's."] = None


class Model(NamedTuple):
    """Which network, what it starts from and which of it is trained."""
    model_name: Annotated[
        str, 'Network; docs/networks.md lists them.'] = 'ssd_300_vgg'
    anchors: Annotated[
        str | None, "Anchors: voc or coco, the sizes of Caffe's, or a file of "
        'inspect_data.py --suggest_anchors. Default: those of the checkpoint, '
        "else the network's own, of VGG coco. Recorded in the "
        'checkpoints.'] = None
    compute_dtype: Annotated[
        Literal['float32', 'bfloat16', 'float16'], 'What the network computes '
        'in. Weights, losses and checkpoints are float32 always.'] = 'float32'
    checkpoint_path: Annotated[
        str | None, 'Checkpoint to start from: file, prefix or folder.'] = None
    checkpoint_model_scope: Annotated[
        str | None, 'Scope of the network in it.'] = None
    checkpoint_exclude_scopes: Annotated[_Names, 'Scopes to start anew.'] = None
    trainable_scopes: Annotated[_Names, 'Scopes to train; default: all.'] = None
    ignore_missing_vars: Annotated[
        bool, 'Variables that the checkpoint lacks start anew.'] = False
    freeze_batch_norm: Annotated[
        bool | None, 'Batch norm keeps the means and variances of the '
        'checkpoint; new layers are not normalised. Its gamma and beta are '
        'trained. Default: if training starts from --checkpoint_path in '
        'batches of fewer than 16 images a device.'] = None


class Loss(NamedTuple):
    """What is minimised."""
    loss_alpha: Annotated[float, 'Weight of the localisation loss.'] = 1.
    negative_ratio: Annotated[float, 'Mined negatives per positive.'] = 3.
    match_threshold: Annotated[float, 'Overlap that makes a positive.'] = .5
    negatives_per_empty_image: Annotated[
        int, 'Mined negatives of an image without objects.', 0] = 0
    label_smoothing: Annotated[
        float, 'Share of the target spread over all classes.'] = 0.
    weight_decay: Annotated[float, 'L2 factor of the weights.'] = .0005


class Optimizer(NamedTuple):
    """How it is minimised."""
    optimizer: Annotated[
        str | None, 'adadelta, adagrad, adam, ftrl, momentum, sgd or rmsprop. '
        'Default: momentum. A training that is told no rate, no optimizer and '
        'no number of steps chooses them, by its data, and says so.'] = None
    learning_rate: Annotated[
        float | None, 'Initial learning rate. Default: 0.001.'] = None
    learning_rate_decay_type: Annotated[
        str | None, 'fixed, exponential, polynomial or piecewise. Default: '
        'exponential.'] = None
    learning_rate_decay_factor: Annotated[
        float | None, 'For exponential. Default: 0.94.'] = None
    num_epochs_per_decay: Annotated[
        float | None, 'Epochs between decays. Default: 2.'] = None
    end_learning_rate: Annotated[float, 'End of polynomial decay.'] = .0001
    decay_boundaries: Annotated[
        Sequence[str | int], 'Steps, for piecewise.'] = ('80000', '100000')
    lr_decay_factors: Annotated[
        Sequence[str | float], 'Factors, for piecewise.'] = ('1', '0.1', '0.01')
    warmup_steps: Annotated[
        int | None, 'Steps while the rate rises. Default: 500.', 0] = None
    backbone_learning_rate_factor: Annotated[
        float, "Of the trunk's learning rate: below 1, the trunk learns slower "
        'than what is new above it.', 0] = 1.
    moving_average_decay: Annotated[
        float | None, 'Of the weights; default: no moving averages.'] = None
    momentum: Annotated[float, 'Of the momentum optimizer.'] = .9
    adadelta_rho: Annotated[float, 'Decay of adadelta.'] = .95
    adagrad_initial_accumulator_value: Annotated[float, 'Adagrad.'] = .1
    adam_beta1: Annotated[float, 'Adam, first moment.'] = .9
    adam_beta2: Annotated[float, 'Adam, second moment.'] = .999
    opt_epsilon: Annotated[float, 'Of adadelta, adam and rmsprop.'] = 1e-8
    ftrl_learning_rate_power: Annotated[float, 'Ftrl.'] = -.5
    ftrl_initial_accumulator_value: Annotated[float, 'Ftrl.'] = .1
    ftrl_l1: Annotated[float, 'Ftrl, L1 strength.'] = 0.
    ftrl_l2: Annotated[float, 'Ftrl, L2 strength.'] = 0.
    rmsprop_momentum: Annotated[float, 'RMSProp.'] = .9
    rmsprop_decay: Annotated[float, 'RMSProp.'] = .9
    clip_gradient_norm: Annotated[
        float | None, 'Limit of the norm of all gradients together.', 0] = None
    on_nonfinite: Annotated[
        Literal['stop', 'skip'], 'What a loss or gradient that is not finite '
        'does: stop, or skip the step, which stops after 10 in a row.'] = 'stop'


class Run(NamedTuple):
    """Where and for how long, how large the batches are, on which machines."""
    train_dir: Annotated[
        str, 'Folder of checkpoints and events.'] = '/tmp/tfmodel/'
    max_number_of_steps: Annotated[
        int | None, 'Default: no end, unless the training chooses it; see '
        '--optimizer.'] = None
    batch_size: Annotated[
        str | int | None, 'Images of a batch, per clone and pass; auto: as '
        'many as fit into memory, which is tried. Default: 32.'] = None
    accumulate_steps: Annotated[
        int, 'Batches whose gradients make one step, to save memory.', 1] = 1
    num_clones: Annotated[int, 'GPUs of this machine to train on.', 1] = 1
    clone_on_cpu: Annotated[bool, 'Train on the CPU.'] = False
    random_seed: Annotated[
        int | None, 'Makes weights, order and augmentation repeatable.'] = None
    gpu_memory_fraction: Annotated[float, 'Most of a GPU to take.'] = .8
    log_every_n_steps: Annotated[int, 'Steps between log lines.', 1] = 10
    save_summaries_secs: Annotated[int, 'Between summaries.'] = 600
    save_interval_secs: Annotated[int, 'Between checkpoints.'] = 600
    save_interval_steps: Annotated[
        int | None, 'Steps between checkpoints, beside the seconds.', 1] = None
    eval_split_name: Annotated[
        str | None, 'Split to score the training on as it goes: '
        '<train_dir>/metrics.csv, results.png, and best.ckpt, the weights of '
        'the best score. Default: none.'] = None
    eval_every_n_steps: Annotated[
        int | None, 'Steps between these scores. Default: 500.', 1] = None
    patience: Annotated[
        int | None, 'End after so many scores without a better one.', 1] = None
    ps_hosts: Annotated[_Names, 'host:port of each parameter server.'] = None
    worker_hosts: Annotated[_Names, 'host:port of each worker.'] = None
    job_name: Annotated[
        Literal['ps', 'worker'] | None, 'What this process is.'] = None
    task: Annotated[int, 'Which of them it is; worker 0 saves.', 0] = 0
    sync_replicas: Annotated[
        bool, 'Workers make each step together, as of one big batch.'] = False
    replicas_to_aggregate: Annotated[
        int | None, 'Workers of a step with --sync_replicas.', 1] = None
    master: Annotated[
        str, 'Address of a TensorFlow server that runs already.'] = ''
    worker_replicas: Annotated[int, 'With --master: workers.', 1] = 1
    num_ps_tasks: Annotated[int, 'With --master: parameter servers.', 0] = 0

    @property
    def images_per_step(self) -> int:
        """Images of one step of this process."""
        return self.batch_size * self.num_clones * self.accumulate_steps

    @property
    def global_batch_size(self) -> int:
        """Images of one global_step, which one worker makes or all."""
        return self.images_per_step * (
            self.num_to_aggregate if self.sync_replicas else 1)

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
