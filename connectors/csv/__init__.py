"""Contacts, tasks and activities in CSV files."""

from connectors.csv.connector import CsvConnector

__all__ = ["CsvConnector"]
