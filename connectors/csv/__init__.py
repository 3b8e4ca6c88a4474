"""Contacts, tasks and activities in CSV files."""
