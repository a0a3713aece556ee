"""Container headers read in Python, for the claims that decoding libraries repair or overlook in silence."""
