"""The IIIF Image API itself, 2.1 and 3.0: pure values and exact arithmetic, no image library, no I/O."""
