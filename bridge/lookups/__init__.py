"""Asking a CRM while a caller waits: cache, single flight, circuit breaker, deadline."""
