"""noxden and its peers side by side, in one run, on one machine.

``python -m tests.bench`` (from the root of the checkout) builds every tool's environment in a temporary
folder, warms every cache in the same way, then measures in interleaved rounds. README.md tells
what each scenario measures.
"""
