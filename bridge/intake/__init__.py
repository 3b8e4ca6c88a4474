"""What must not be lost is made durable before it is acknowledged: events, saved records, tasks by HTTP."""
