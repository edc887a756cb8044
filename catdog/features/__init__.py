"""Features: what the frozen prefix says of a photo, computed once and kept.

`key` names what was computed, `store` keeps it on disk, `prefix` computes it, `extract` joins the three.
"""
