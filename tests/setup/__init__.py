"""What init finds out, and the files that it writes."""
