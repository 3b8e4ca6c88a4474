"""The composition root: what a configuration brings up, taken up anew when it changes; its metrics."""
