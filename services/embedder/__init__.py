"""From segments to vectors."""
