"""The Pascal VOC format: its folders, its annotations, its data sets."""
