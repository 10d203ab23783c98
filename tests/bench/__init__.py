"""noxden and its peers side by side, in one run, on one machine.

``python -m bench`` (from the folder ``tests/``) builds every tool's environment in a temporary
folder, warms every cache in the same way, then measures in interleaved rounds. README.md tells
what each scenario measures.
"""
