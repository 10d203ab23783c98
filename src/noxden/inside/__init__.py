"""The folder that a unit session puts on PYTHONPATH; its one module is all that gets there."""
