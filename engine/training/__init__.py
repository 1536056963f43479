"""Trains a network."""
