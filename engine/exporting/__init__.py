"""Writes models for use elsewhere."""
