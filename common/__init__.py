"""What every floor may use, and nothing of SSD."""
import os

# OpenCV reads it when it is first imported, and else takes 2**30: a GIF of 35
# bytes, which claims that many, then needs 7 GB and half a minute.
os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(2 ** 26))
