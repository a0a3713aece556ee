"""How alike two voices are, judged against the collection they are in: centring, whitening, cosine. Numpy only."""
