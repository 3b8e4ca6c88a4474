"""`python -m bridge` is `infocaller-bridge`."""

from bridge.cli import main

if __name__ == "__main__":
    main()
