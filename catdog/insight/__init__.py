"""What a network computes for one photo, layer by layer: maps, units, receptive fields, the head's parts."""
