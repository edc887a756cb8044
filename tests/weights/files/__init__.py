"""Tests of the readers of weights files."""
