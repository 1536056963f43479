"""Notebooks, and the drawing that they share with the scripts."""
