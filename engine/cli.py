"""Runs a script's main function: flags in, an exit status out.

TensorFlow takes seconds to import and logs a page while it does; scripts
import it only after their flags are parsed, so that --help is quick.
"""
import faulthandler
import importlib.util
import os
import signal
import sys
import threading
import traceback
import typing
import warnings
from collections import abc

from absl import app
from absl import flags

from common import errors
from common import files

# A shell's exit statuses of what Ctrl-C and SIGTERM ended.
INTERRUPTED = 130
TERMINATED = 143
# Of flags whose values are paths; of the last two they may be.
_PATH_ENDINGS = ('_dir', '_file', '_path', 'inspect', 'compare', 'anchors',
                 'select_threshold')
_DEFINE = {
    bool: flags.DEFINE_boolean, int: flags.DEFINE_integer,
    float: flags.DEFINE_float, str: flags.DEFINE_string,
    typing.Literal: flags.DEFINE_enum, abc.Sequence: flags.DEFINE_list}


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what Ctrl-C would have saved is saved."""


def run(main: abc.Callable[..., None], *groups: type):
    """Calls `main` with the groups of flags that a user gave, and exits.

    What a user can do something about (a ValueError, an OSError, an error of
    a TensorFlow operation, too little memory) becomes a message on stderr
    and exit status 1; so does anything else, as an error of this program.
    With --debug the traceback comes first, and what the libraries log. Ctrl-C
    and SIGTERM raise KeyboardInterrupt in `main` and end quietly; a second
    Ctrl-C ends at once.
    """
    define(*groups)
    is_debugging = flags.DEFINE_boolean(
        'debug', False, 'On an error, show where in the program it was.',
        module_name=sys.argv[0])

    def guarded_main(argv):
        signal.signal(signal.SIGTERM, _interrupt)
        # A shell's background jobs ignore Ctrl-C.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt)
        threading.excepthook = _describe_thread_error
        warnings.formatwarning = lambda message, *rest, **kwargs: (
            f'{message}\n')
        if not is_debugging.value and sys.stderr is not None:
            _keep_stderr_to_ourselves()
        try:
            if len(argv) > 1:
                raise ValueError(
                    f'{argv[1]!r} is not a flag; flags begin with --.')
            main(*values(*groups))
        except Terminated:
            sys.exit(TERMINATED)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except Exception as error:
            if is_debugging.value:
                traceback.print_exc()
            sys.exit(f'{os.path.basename(argv[0])}: {describe(error)}')

    app.run(guarded_main)


def import_tensorflow():
    """Imports TensorFlow without its notes on drivers, for notebooks."""
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    stderr = _lead_stderr_nowhere()
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def define(*groups: type, flag_values: flags.FlagValues = flags.FLAGS):
    """Defines a flag for each field of NamedTuples, with its default.

    A field is an Annotated[type, help] or Annotated[type, help, lowest value].
    """
    for group in groups:
        for name, hint in typing.get_type_hints(
                group, include_extras=True).items():
            kind, text, *lowest = typing.get_args(hint)
            if type(None) in typing.get_args(kind):
                kind = typing.get_args(kind)[0]
            origin = typing.get_origin(kind) or kind
            extra = {'lower_bound': lowest[0]} if lowest else {}
            if origin is typing.Literal:
                extra['enum_values'] = typing.get_args(kind)
            default = group._field_defaults.get(name)
            _DEFINE[origin](
                name, list(default) if isinstance(default, tuple) else default,
                help=text, flag_values=flag_values,
                module_name=sys.argv[0],  # --help lists a script's own flags.
                **extra)


def values(*groups: type,
           flag_values: flags.FlagValues = flags.FLAGS) -> list[tuple]:
    """Returns the NamedTuples that `define` made flags of, filled in.

    Paths are those that files.user_path says: a shell, for one, takes ~ for
    the home folder only after a blank.

    Raises:
      ValueError: a path cannot be used; names the flag.
    """
    def value(name):
        given = flag_values[name].value
        if not isinstance(given, str) or not name.endswith(_PATH_ENDINGS):
            return given
        try:
            return files.user_path(given)
        except ValueError as error:
            raise ValueError(f'--{name}={error}') from None

    return [group(*map(value, group._fields)) for group in groups]


def require(**options: str | None):
    """Raises ValueError if any of these flags was left out."""
    missing = [f'--{name}' for name, value in options.items() if not value]
    if missing:
        raise ValueError(f'{", ".join(missing)} must be given; see --help.')


def describe(error: BaseException) -> str:
    """Returns what an exception says to a user, fit for a terminal.

    It is one line, but for a ValueError that lists several faults.
    """
    kind, text = type(error).__name__, ' '.join(str(error).split())
    tensorflow = sys.modules.get('tensorflow')  # None before its import.
    if isinstance(error, (ValueError, OSError)):
        lines = str(error).splitlines() or [kind]
    elif tensorflow and isinstance(error, tensorflow.errors.OpError):
        lines = [errors.reason(error.message) or kind]
    elif isinstance(error, ModuleNotFoundError) and (
            importlib.util.find_spec(error.name.partition('.')[0]) is None):
        lines = [f'the package {error.name} is not installed; in the folder of '
                 'this project, pip install . installs all that it needs.']
    elif isinstance(error, MemoryError):
        lines = [f'there is not enough memory. {text}'.rstrip()]
    else:
        lines = [f'an error of this program, {kind}: {text}. Please report it '
                 'with what the same command shows with --debug.']
    return '\n'.join(map(files.quote, lines))


def _keep_stderr_to_ourselves():
    """Leaves Python's stderr as it is; what libraries write goes nowhere.

    TensorFlow logs in C++ whatever its settings say, some of it before any
    setting is read, and more on some processors than on others.
    """
    sys.stderr = open(_lead_stderr_nowhere(), 'w', buffering=1,
                      encoding=sys.stderr.encoding, errors='backslashreplace')
    faulthandler.enable(sys.stderr)  # Tells where a crash in C++ was.


def _lead_stderr_nowhere():
    """Returns a file descriptor of where it led before."""
    sys.stderr.flush()
    before = os.dup(2)
    with open(os.devnull, 'wb') as nowhere:
        os.dup2(nowhere.fileno(), 2)
    return before


def _interrupt(signal_number, frame):
    """Raises what a signal means, once."""
    # `timeout` and others send SIGTERM twice.
    again, error = signal.SIG_IGN, Terminated
    if signal_number == signal.SIGINT:
        again, error = _end_at_once, KeyboardInterrupt
    signal.signal(signal_number, again)
    raise error


def _end_at_once(signal_number, frame):
    # Not print, which may be what was interrupted.
    os.write(sys.stderr.fileno(),
             b'\nEnded by a second Ctrl-C; what was not saved is lost.\n')
    os._exit(INTERRUPTED)


def _describe_thread_error(arguments):
    """Says in one line what ended a thread whose result nobody waits for."""
    # A session that ends cancels what its threads wait for.
    if arguments.exc_type.__name__ not in ('SystemExit', 'CancelledError'):
        print(f'In a thread: {describe(arguments.exc_value)}',
              file=sys.stderr)
