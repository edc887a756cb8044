"""VGG16: its table of layers, the network made from it, preprocessing, the suffix that is trained."""
