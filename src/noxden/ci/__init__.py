"""What started this run, and which sessions it is one for."""
