"""CI files: rendered from the configuration, written, and compared with what is there."""
