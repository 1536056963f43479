"""YOLO sets: text files of relative boxes, data.yaml or darknet's lists."""
