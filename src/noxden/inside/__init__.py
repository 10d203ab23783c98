"""The folder of the one module that a unit session puts on PYTHONPATH."""
