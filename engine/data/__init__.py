"""Converts data sets and shows what is in them."""
