"""Device tests: cards and their leases, stages, scope, samples, batches, attempts, engines."""
