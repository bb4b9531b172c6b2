"""Boards: which methods and seeds a table shows, and which records may stand beside each other on it."""
