"""Everything that is kept on disk: all SQL, no decisions."""
