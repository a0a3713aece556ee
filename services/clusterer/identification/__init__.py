"""Who speaks, among the named, and how probable that is; whom to ask about next. Pure."""
