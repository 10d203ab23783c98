"""One small module per session of this project, built on noxden's own factories."""
