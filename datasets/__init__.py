"""Pascal VOC data, TFRecords and Slim datasets."""
