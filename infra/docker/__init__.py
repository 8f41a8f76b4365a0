"""The same system in containers: the image and what a fresh installation needs once."""
