"""Small data sets, written file by file, and what is read of them."""
from tests import voc_files


def write(folder, files):
    """Writes {path: text or bytes}; None is an image of 40 x 60 pixels."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            content = voc_files.image(path.suffix)
        path.write_bytes(
            content.encode() if isinstance(content, str) else content)


def loaded(part):
    """Returns {name: Annotated} of a source."""
    return {name: part.load(name) for name in part.names()}


def messages(annotated):
    """Returns those of its faults."""
    return [fault.message for fault in annotated.faults]
