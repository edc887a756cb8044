"""Training the suffix on cached features: optimizers, the jitted step, the fit loop, resuming."""
