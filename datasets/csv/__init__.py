"""CSV files of boxes: the TF Object Detection API's and keras-retinanet's."""
