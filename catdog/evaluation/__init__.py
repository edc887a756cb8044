"""How good a trained model is: its predictions for labelled photos, and numbers made from them."""
