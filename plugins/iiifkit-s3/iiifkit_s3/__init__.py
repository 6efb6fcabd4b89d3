"""iiifkit-s3: images in S3 buckets, and caches in S3 buckets, for the IIIF image server iiifkit."""
