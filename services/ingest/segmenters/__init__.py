"""Where in a recording something is worth a segment: the plug-in point `earmark.segmenters`."""
