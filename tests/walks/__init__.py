"""Documented ways that are walked on a machine of their own, which takes minutes: none of them is run by pytest."""
