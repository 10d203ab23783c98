"""Selections, keys and interpreters: values, and pure functions that make them."""
