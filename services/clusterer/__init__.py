"""From vectors and a few names to everybody's name."""
