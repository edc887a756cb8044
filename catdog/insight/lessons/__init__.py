"""The lecture's ideas as experiments on the user's own photos; each function returns what it found."""
