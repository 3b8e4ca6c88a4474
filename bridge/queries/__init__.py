"""Query → answer: what the platform asks while a caller waits is answered within a deadline."""
