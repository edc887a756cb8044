"""What a network computes for one photo, layer by layer; the networks and the experiments of a lecture."""
