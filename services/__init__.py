"""The rooms of Earmark; they know `shared`, never each other."""
