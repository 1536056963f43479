"""Anchors, targets, losses, post-processing and metrics: pure functions."""
