"""Adopt a uv project: what it has, what noxden adds, and the files that say so."""
