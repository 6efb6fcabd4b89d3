"""Graphics engines: decoding, transforming, encoding; one file each."""
