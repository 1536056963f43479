"""Any data set: its samples, TFRecords and Slim datasets."""
# Its limit on the images that OpenCV reads must come before OpenCV.
import common  # noqa: F401
