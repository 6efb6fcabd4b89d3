"""Sources: where original images live, one file each."""
