"""The platform's side, played by us: `simulate`, the demo and the acceptance tests call the bridge through it."""
