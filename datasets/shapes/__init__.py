"""Drawn shapes: a data set without end that comes with the project."""
