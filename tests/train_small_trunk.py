"""train_ssd_network.py in a process that knows tests/small_trunk.py."""
import os
import subprocess
import sys
import threading

from tests import scripts


def start(folder, beginning, **flags):
    """Starts a training; returns its process, which has written a line.

    Args:
      folder: working directory.
      beginning: of the line.
      **flags: of the script; lists are joined by commas.
    """
    process = subprocess.Popen(
        [sys.executable, '-m', 'tests.train_small_trunk', *(
            f'--{name}={",".join(value) if isinstance(value, list) else value}'
            for name, value in flags.items())],
        cwd=folder, env={**os.environ, 'PYTHONPATH': str(scripts.ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    timer = threading.Timer(scripts.SECONDS_TO_END, process.kill)
    timer.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(beginning):
            timer.cancel()
            return process
    raise AssertionError(lines)


if __name__ == '__main__':
    import train_ssd_network
    from engine import cli
    from nets import nets_factory
    from tests import small_trunk

    nets_factory.networks_map[small_trunk.SSDNet.name] = small_trunk.SSDNet
    cli.run(train_ssd_network.main, *train_ssd_network.GROUPS)
