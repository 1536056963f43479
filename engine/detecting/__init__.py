"""Detects in images, videos and cameras."""
