"""From an object in the bucket to a recording and its segments."""
