"""Who speaks when, in the formats that other tools read and write. Pure: bytes in, turns out, and back."""
