"""Session factories, and the one module that touches nox's internals."""
