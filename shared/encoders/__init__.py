"""What an encoder is and how one is found by name: the plug-in point `earmark.encoders`."""
