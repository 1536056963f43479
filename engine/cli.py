"""Runs a script's main function: flags in, an exit status out.

TensorFlow takes seconds to import and logs a page while it does; scripts
import it only after their flags are parsed, so that --help is quick.
"""
import collections.abc
import faulthandler
import os
import signal
import sys
import threading
import traceback
import typing
import warnings

from absl import app
from absl import flags

from common import errors
from common import files

# A shell's exit statuses of what Ctrl-C and SIGTERM ended.
INTERRUPTED = 130
TERMINATED = 143
# Type of a value -> absl's function of flags.
_DEFINE_FLAG = {bool: 'boolean', int: 'integer', float: 'float',
                str: 'string', collections.abc.Sequence: 'list'}


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what Ctrl-C would have saved is saved."""


def run(main):
    """Parses the flags, calls `main()` and exits.

    What a user can do something about (a ValueError, an OSError, an error of
    a TensorFlow operation, too little memory) becomes a message on stderr
    and exit status 1. So does anything else, which is an error of this
    program and says so. With --debug the traceback comes first, and what the
    libraries log. Ctrl-C and SIGTERM raise KeyboardInterrupt in `main` and
    end quietly; a second Ctrl-C ends at once.
    """
    is_debugging = flags.DEFINE_boolean(
        'debug', False, 'On an error, show where in the program it was.',
        module_name=sys.argv[0])  # --help lists the script's own flags.

    script = os.path.basename(sys.argv[0])

    def guarded_main(argv):
        signal.signal(signal.SIGTERM, _terminate)
        # A shell's background jobs ignore Ctrl-C.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt)
        threading.excepthook = _describe_thread_error
        warnings.formatwarning = lambda message, *rest, **kwargs: (
            f'{message}\n')
        if not is_debugging.value:
            _keep_stderr_to_ourselves()
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


def import_tensorflow():
    """Imports TensorFlow without its notes on graphics drivers.

    For notebooks, whose stderr is shown to its last line.
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


def define(*groups: type):
    """Defines the flags of a script, one for each field of NamedTuples.

    Args:
      *groups: a field is annotated Annotated[type, help] or Annotated[type,
        help, lowest value]. Its default is the flag's.
    """
    for group in groups:
        for name, hint in typing.get_type_hints(
                group, include_extras=True).items():
            kind, text, *lowest = typing.get_args(hint)
            if type(None) in typing.get_args(kind):
                kind = typing.get_args(kind)[0]
            default = group._field_defaults.get(name)
            if typing.get_origin(kind) is typing.Literal:
                define_flag, extra = 'enum', [list(typing.get_args(kind))]
            else:
                define_flag, extra = _DEFINE_FLAG[
                    typing.get_origin(kind) or kind], []
            if define_flag == 'list' and default is not None:
                default = list(default)
            getattr(flags, f'DEFINE_{define_flag}')(
                name, default, *extra, help=text, module_name=sys.argv[0],
                **({'lower_bound': lowest[0]} if lowest else {}))


def values(*groups: type) -> list:
    """Returns the NamedTuples that `define` made flags of, filled in."""
    return [group(*(flags.FLAGS[name].value for name in group._fields))
            for group in groups]


def require(*names: str):
    """Raises ValueError if any of the named string flags was left out."""
    missing = [f'--{name}' for name in names if not flags.FLAGS[name].value]
    if missing:
        raise ValueError(f'{", ".join(missing)} must be given; see --help.')


def describe(error: BaseException) -> str:
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


def _keep_stderr_to_ourselves():
    """Leaves Python's stderr as it is; what libraries write goes nowhere.

    TensorFlow logs in C++ whatever its settings say, some of it before any
    setting is read, and more on some processors than on others.
    """
    sys.stderr.flush()
    own = os.dup(2)
    sys.stderr = open(own, 'w', encoding=sys.stderr.encoding,
                      errors='backslashreplace', buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    # A crash in C++ is not silent: where it was is told.
    faulthandler.enable(sys.stderr)


def _terminate(signal_number, frame):
    """Raises Terminated, once: `timeout` and others send SIGTERM twice."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _interrupt(signal_number, frame):
    """Raises KeyboardInterrupt once; a second Ctrl-C ends the process."""
    signal.signal(signal.SIGINT, _end_at_once)
    raise KeyboardInterrupt


def _end_at_once(signal_number, frame):
    print('\nEnded by a second Ctrl-C; what was not saved is lost.',
          file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)


def _describe_thread_error(arguments):
    """Says in one line what ended a thread whose result nobody waits for."""
    if arguments.exc_type is not SystemExit:
        print(f'In a thread: {describe(arguments.exc_value)}',
              file=sys.stderr)


def _operation_errors():
    """Returns the errors of TensorFlow, none before it is imported."""
    tensorflow = sys.modules.get('tensorflow')
    return () if tensorflow is None else tensorflow.errors.OpError
