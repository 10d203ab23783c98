"""Which jobs a run on CI has: planned as data, from sessions, trigger and configuration."""
