"""Command lines that are printed, to be typed into a shell."""
import shlex


def line(program: str, **flags: object) -> str:
    """Returns a program with flags: python a.py --b='c d'."""
    return ' '.join(
        [program, *(flag(name, value) for name, value in flags.items())])


def flag(name: str, value: object) -> str:
    """Returns a flag with its value, quoted where a shell would part it."""
    return f'--{name}={shlex.quote(str(value))}'
