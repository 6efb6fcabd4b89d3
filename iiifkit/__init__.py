"""iiifkit: a IIIF image server, a tile seeder and an image transformer, extended through plugins."""
