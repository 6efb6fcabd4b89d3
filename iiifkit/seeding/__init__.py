"""Making all tiles of images ahead of time, as a tree that a server finds and that works without one, too."""
