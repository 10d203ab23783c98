"""Runners of CI files: act, gitlab-ci-local, and the npm packages that check such files."""
