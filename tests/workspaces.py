"""Workspaces for tests."""

from pathlib import Path

from catdog.workspace import FeatureCache, Workspace


def two_workers(features: Path) -> Workspace:
    """Two threads, and features cached in this folder."""
    return Workspace(features=FeatureCache(features), workers=2)
