"""A trained model at work: photos in, `Prediction`s out, in order, as soon as each is known."""
