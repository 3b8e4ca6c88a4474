"""Spreadsheets of Excel and LibreOffice, read row by row in a process of their own."""
