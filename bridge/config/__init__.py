"""The configuration file: what it may hold (`model`), how it is read (`load`), what is wrong with it (`faults`)."""
