"""What an error of TensorFlow is about, out of all that it says."""
import re

# Before it comes where the graph was built, after it what went wrong.
_PLACE = re.compile(r"^Node: '.*'\n", re.MULTILINE)
_KIND = re.compile(r'^\s*(\(\d+\) )?([A-Z_]+: )?')


def reason(message: str) -> str:
    """Returns the line of a TensorFlow error's message that says the reason."""
    lines = [line for line in _PLACE.split(message)[-1].splitlines()
             if line.strip() and 'root error(s) found' not in line]
    return _KIND.sub('', lines[0]) if lines else ''
