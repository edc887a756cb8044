"""Features: the output of the frozen prefix for a photo, computed once and cached.

`prefix` computes features, `key` says what they depend on, `store` finds them in the cache; `extract` and
`stream` join the three.
"""
