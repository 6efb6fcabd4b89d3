"""Qualities beyond the specification, one file each."""
