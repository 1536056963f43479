"""Runs a script's main function: flags in, an exit status out.

TensorFlow takes seconds to import and logs a page while it does; scripts
import it only after their flags are parsed, so that --help is quick.
"""
import os
import sys

from absl import app

INTERRUPTED = 130  # A shell's exit status of what Ctrl-C ended.


def run(main):
    """Parses the flags, calls `main()` and exits.

    A ValueError, an OSError or an error of a TensorFlow operation, which a
    user can do something about, becomes one line on stderr and exit status
    1; Ctrl-C ends quietly.
    """
    script = os.path.basename(sys.argv[0])

    def guarded_main(argv):
        try:
            if len(argv) > 1:
                raise ValueError(
                    f'{argv[1]!r} is not a flag; flags begin with --.')
            main()
        except (ValueError, OSError) as error:
            print(f'{script}: {error}', file=sys.stderr)
            sys.exit(1)
        except _operation_errors() as error:
            print(f'{script}: {error.message.splitlines()[0]}',
                  file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)

    app.run(guarded_main)


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
