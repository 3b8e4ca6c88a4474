"""The bridge's side of HTTP: the only part that knows of Flask."""
