"""The processes of `serve`: those that answer, the one that works, and how they live and end."""
