"""Workflows that people wrote: which jobs install Python packages, and how that is cached."""
