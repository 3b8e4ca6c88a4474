"""What `{{ }}` sees: the call, the line and whom it may dial."""
