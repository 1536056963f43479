"""One contestant of a benchmark: runs once for each line of its input.

    python -m benchmarks.worker '{"contestant": "forward", ...}'

Answers with a line of JSON: when it is ready, after each run, at the end.
"""
import json
import os
import resource
import sys
import time

from benchmarks import engines
from benchmarks import peers
from benchmarks import stages
from engine import runtime

CONTESTANTS = {
    'matmul': engines.matmul,
    'forward': engines.forward,
    'forward_rate': engines.forward_rate,
    'onnxruntime': peers.onnxruntime,
    'openvino': peers.openvino,
    'opencv': peers.opencv,
    'litert': peers.litert,
    'pytorch': peers.pytorch,
    'detection': engines.detection,
    'exported': peers.exported,
    'training_step': engines.training_step,
    'training_step_rate': engines.training_step_rate,
    'pytorch_training': peers.pytorch_training,
    'waiting': stages.waiting,
    'input_pipeline': stages.input_pipeline,
    'decode': stages.decode,
    'matching': stages.matching,
    'post_processing': stages.post_processing,
    'conversion': stages.convert,
    'evaluation': stages.evaluation,
    'video': stages.video,
}


def main():
    """Makes the contestant, then runs it when told."""
    # What is run may print; the answers go where stdout led.
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)
    spec = json.loads(sys.argv[1])

    def answer(**values):
        answers.write(json.dumps(values) + '\n')

    runtime.prepare()
    try:
        contestant = CONTESTANTS[spec['contestant']](spec)
        contestant.run()  # Compiles, allocates.
    except ImportError as error:
        answer(fault=f'{error.name} is not installed')
        return
    except Exception as error:  # Any engine's; the others go on.
        answer(fault=(str(error) or repr(error)).strip().splitlines()[0])
        raise
    answer(num_images=contestant.num_images, flops=contestant.flops)
    for _ in sys.stdin:
        start, cpu_start = time.perf_counter(), time.process_time()
        outcome = contestant.run()
        answer(seconds=time.perf_counter() - start,
               cpu_seconds=time.process_time() - cpu_start,
               waited=outcome if isinstance(outcome, float) else None)
    answer(peak_bytes=1024 * resource.getrusage(
        resource.RUSAGE_SELF).ru_maxrss)


if __name__ == '__main__':
    main()
