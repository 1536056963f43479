"""Brings in the weights of other programs."""
