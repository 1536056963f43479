"""Runs a script's main function: flags in, an exit status out.

TensorFlow takes seconds to import and logs a page while it does; scripts
import it only after their flags are parsed, so that --help is quick.
"""
import os
import signal
import sys
import threading
import traceback

from absl import app
from absl import flags

from common import errors
from common import files

# A shell's exit statuses of what Ctrl-C and SIGTERM ended.
INTERRUPTED = 130
TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what Ctrl-C would have saved is saved."""


def run(main):
    """Parses the flags, calls `main()` and exits.

    What a user can do something about (a ValueError, an OSError, an error of
    a TensorFlow operation, too little memory) becomes a message on stderr
    and exit status 1. So does anything else, which is an error of this
    program and says so. With --debug the traceback comes first. Ctrl-C and
    SIGTERM raise KeyboardInterrupt in `main` and end quietly.
    """
    is_debugging = flags.DEFINE_boolean(
        'debug', False, 'On an error, show where in the program it was.',
        module_name=sys.argv[0])  # --help lists the script's own flags.

    script = os.path.basename(sys.argv[0])

    def guarded_main(argv):
        signal.signal(signal.SIGTERM, _terminate)
        if not is_debugging.value:
            # What a thread raises is raised again where its work is used.
            threading.excepthook = lambda thread_error: None
        try:
            if len(argv) > 1:
                raise ValueError(
                    f'{argv[1]!r} is not a flag; flags begin with --.')
            main()
        except Terminated:
            sys.exit(TERMINATED)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except Exception as error:
            if is_debugging.value:
                traceback.print_exc()
            print(f'{script}: {describe(error)}', file=sys.stderr)
            sys.exit(1)

    app.run(guarded_main)


def _terminate(signal_number, frame):
    """Raises Terminated, once: `timeout` and others send SIGTERM twice."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def describe(error):
    """Returns what an exception says to a user, fit for a terminal.

    One line, but for a ValueError that lists several faults.
    """
    if isinstance(error, (ValueError, OSError)):
        lines = str(error).splitlines() or [type(error).__name__]
    elif isinstance(error, _operation_errors()):
        lines = [errors.reason(error.message) or type(error).__name__]
    else:
        text = ' '.join(str(error).split())
        lines = [f'an error of this program, {type(error).__name__}: {text}. '
                 'Please report it with what the same command shows with '
                 '--debug.']
        if isinstance(error, MemoryError):
            lines = [f'there is not enough memory. {text}'.rstrip()]
    return '\n'.join(map(files.quote, lines))


def _operation_errors():
    """Returns the errors of TensorFlow, none before it is imported."""
    tensorflow = sys.modules.get('tensorflow')
    return () if tensorflow is None else tensorflow.errors.OpError


def import_tensorflow():
    """Imports TensorFlow without its notes on graphics drivers.

    They are written before any setting of the log can hold them back.
    """
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with open(os.devnull, 'w', encoding='utf-8') as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def require(flag_values, *names):
    """Raises ValueError if any of the named string flags was left out."""
    missing = [f'--{name}' for name in names if not flag_values[name].value]
    if missing:
        raise ValueError(f'{", ".join(missing)} must be given; see --help.')
