"""What a trained run is worth: its answers, and numbers and pictures made from them."""
