"""What is wrong with a data set, seen through the convolutions: near copies, outliers, wrong labels."""
