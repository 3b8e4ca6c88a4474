"""What is wrong with a configuration that pydantic can't see, one file for each kind of check; and what is worth a
warning."""
