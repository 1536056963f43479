"""Small VOC folders, image by image."""
import cv2
import numpy as np

PIXELS = np.full((40, 60, 3), 90, np.uint8)


def image(extension='.jpg', pixels=PIXELS):
    """Returns the bytes of an image file."""
    return cv2.imencode(extension.lower(), pixels)[1].tobytes()


def put(folder, stem, objects=(), extension='.jpg', file_name=None,
        size=(60, 40), content=None):
    """Writes an image of 40 x 60 pixels and its annotation.

    Args:
      folder: VOC folder.
      stem: of the annotation and the image.
      objects: pairs of name and (xmin, ymin, xmax, ymax).
      extension: of the image; '' for no image.
      file_name: what the annotation says, if not the image's name.
      size: width and height that the annotation tells, or None.
      content: bytes of the image.
    """
    for name in ('Annotations', 'JPEGImages', 'ImageSets/Main'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if extension:
        (folder / 'JPEGImages' / (stem + extension)).write_bytes(
            image(extension) if content is None else content)
    lines = [f'<filename>{file_name or stem + extension}</filename>']
    if size is not None:
        lines.append(f'<size><width>{size[0]}</width>'
                     f'<height>{size[1]}</height></size>')
    for name, bbox in objects:
        sides = ''.join(f'<{side}>{value}</{side}>' for side, value in zip(
            ('xmin', 'ymin', 'xmax', 'ymax'), bbox, strict=True))
        lines.append(f'<object><name> {name} </name>'
                     f'<bndbox>{sides}</bndbox></object>')
    (folder / 'Annotations' / f'{stem}.xml').write_text(
        f'<annotation>{"".join(lines)}</annotation>')


def put_list(folder, image_set, text):
    """Writes a list of images."""
    (folder / 'ImageSets' / 'Main' / f'{image_set}.txt').write_text(text)
