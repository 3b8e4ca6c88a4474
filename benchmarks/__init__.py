"""Each measures one thing, by one command: `python -m benchmarks.NAME`."""
