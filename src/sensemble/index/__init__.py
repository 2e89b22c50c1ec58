"""Indexes: vectors kept so that the nearest are found again."""
