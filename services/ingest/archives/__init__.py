"""Archives in the bucket: their members, read as data, become objects of their own."""
