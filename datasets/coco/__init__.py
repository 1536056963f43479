"""COCO's JSON: one file of images, annotations and categories."""
