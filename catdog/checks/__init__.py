"""What is wrong with a data set: unreadable files, duplicates, leaks, label errors, outliers, imbalance."""

from catdog.checks.dataset import DatasetReport, check_dataset

__all__ = ["DatasetReport", "check_dataset"]
