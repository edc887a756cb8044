"""Training the suffix on cached features; `catdog.training.train.train` is the one entry point."""
