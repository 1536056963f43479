"""What the scripts do: train, evaluate, detect, convert."""
# Its limit on the images that OpenCV reads must come before OpenCV.
import common  # noqa: F401
