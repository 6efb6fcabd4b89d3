"""Caches: where fetched, prepared and rendered images are kept, one file each."""
