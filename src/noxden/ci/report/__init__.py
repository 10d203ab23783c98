"""What a CI system is told in the log of a job: groups, annotations, and results of tests."""
