"""Checkpoints: where they are, what they hold, what is restored from them."""
from engine.checkpoints import file_kinds
from engine.checkpoints import metadata
from engine.checkpoints import paths
from engine.checkpoints import reader
from engine.checkpoints import restore

__all__ = ['file_kinds', 'metadata', 'paths', 'reader', 'restore']
