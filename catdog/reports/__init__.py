"""Self-contained HTML reports: pages, plots, templates."""
