"""Wheels by sha256: the store in the den, what fills it, and what is made of it."""
