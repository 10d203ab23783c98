"""Providers of cards: one module a kind of accelerator, see :mod:`noxden.devices.cards`."""
