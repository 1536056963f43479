"""What is printed can be typed."""
import shlex

from common import commands


def test_a_shell_reads_the_values_that_were_given():
    line = commands.line('python a.py', b='c', folder="my dog's $1", number=2)
    assert line == (
        "python a.py --b=c --folder='my dog'\"'\"'s $1' --number=2")
    assert shlex.split(line) == [
        'python', 'a.py', '--b=c', "--folder=my dog's $1", '--number=2']
