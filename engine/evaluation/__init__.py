"""Scores checkpoints and explains the scores."""
