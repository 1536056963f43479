"""Gradients of several workers, added up to those of one big batch.

`options` holds the flags of train_ssd_network.py as attributes.
"""
import tensorflow.compat.v1 as tf

from engine.training import deployment


class Aggregator:
    """Adds the gradients of workers up on the parameter servers.

    Every worker gives the sum of its gradients and the matched anchors of
    its batch; the sum of the first over the sum of the second is the gradient
    of one big batch, however it was split.
    """

    def __init__(self, options):
        """See the flags worker_replicas and replicas_to_aggregate."""
        self._num_workers = deployment.num_workers(options)
        self._num_needed = deployment.replicas_to_aggregate(options)
        self._optimizer = None

    def train_op(self, apply, gradients, global_step):
        """Returns the operation of a step; see optimization.train_op.

        Args:
          apply: function of a list of gradients, those of the big batch;
            returns the operation that applies them.
          gradients: gradients.Gradients of this worker's batch.
          global_step: int64 variable.
        """
        self._optimizer = tf.train.SyncReplicasOptimizer(
            _Quotient(apply, self._num_needed), self._num_needed,
            self._num_workers)
        # SyncReplicasOptimizer keeps sums by variable; this one is a name.
        counter = tf.get_variable(
            'num_positives', [], trainable=False,
            collections=[tf.GraphKeys.LOCAL_VARIABLES])
        # Nothing is counted of a batch whose gradients are refused.
        with tf.control_dependencies(gradients.gradients):
            num_positives = tf.identity(gradients.losses.num_positives)
        weight = tf.maximum(num_positives, 1.)
        pairs = zip(gradients.gradients, gradients.variables, strict=True)
        return self._optimizer.apply_gradients(
            [(gradient * weight, variable) for gradient, variable in pairs]
            + [(num_positives, counter)], global_step)

    def make_hook(self, is_leader):
        """Returns the hook that a session needs."""
        return self._optimizer.make_session_run_hook(is_leader)


class _Quotient:
    """An optimiser, for SyncReplicasOptimizer: divides, then applies."""

    def __init__(self, apply, num_workers):
        self._apply = apply
        self._num_workers = num_workers

    def apply_gradients(self, grads_and_vars, global_step):
        """Takes means over the workers, the last that of the counts."""
        *means, num_positives = [gradient for gradient, _ in grads_and_vars]
        normaliser = tf.maximum(num_positives, 1. / self._num_workers)
        del global_step  # Known to the function.
        return self._apply([mean / normaliser for mean in means])
