"""The sections of the console: each module or folder here that has a `section` is one. Nothing else lists them."""
