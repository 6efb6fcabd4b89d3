"""iiifkit-flickr: photos of Flickr for the IIIF image server iiifkit."""
