"""Any audio file to 16 kHz mono, inside a confined child process; `sandbox.Decoder` is the way in."""
