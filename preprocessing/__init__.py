"""Augmentation for training, resizing for evaluation."""
