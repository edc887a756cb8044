"""The sentences of the lessons' page, by the names that its script uses; the script fills in their fields."""

from catdog.insight.architectures import COMPUTED, PUBLISHED
from catdog.text import Message, message

SENTENCES: dict[str, Message] = {
    "title": message("The lecture on your photos: {folder}"),
    "introduction": message(
        "Experiments of a lecture on deep learning, made with these photos. Nothing is staged: where a "
        "result disagrees with the lecture, the page shows it. The address of the page follows what you "
        "choose."
    ),
    "material": message(
        "{train} training photos and {valid} validation photos of the classes {classes}, {size}×{size} "
        "pixels. Features: {featureSeconds} s, experiments: {seconds} s."
    ),
    "contents": message("Contents"),
    "language": message("Language"),
    "made": message(
        "Made by catdog {version}. This page is one file: it loads nothing, and all its numbers come from "
        "these photos."
    ),
    "checks_surface": message(
        "Checked in this page: the loss at {count} places of the surface differs from the loss that Python "
        "computed by at most {surface} of it."
    ),
    # Words of several sections
    "loss": message("loss in nats"),
    "learning_rate": message("learning rate"),
    "diverged": message("diverged"),
    "over_seeds": message("range over seeds"),
    "year": message("year"),
    "accuracy": message("accuracy"),
    "axis_epochs": message("epochs"),
    "axis_seconds": message("milliseconds"),
    # ReLU and sigmoid
    "gradients_title": message("ReLU against sigmoid"),
    "gradients_idea": message(
        "A weight learns as fast as its gradient is large. The gradient is computed backwards through all "
        "layers, and each layer multiplies it by the slope of its activation: 1 or 0 for ReLU, at most 1/4 "
        "for sigmoid. Here it is for VGG16's 13 convolutions, on a logarithmic scale."
    ),
    "gradients_text": message(
        "Kernels are drawn as Glorot or He propose, or pretrained. {photos} training photos of "
        "{pixels}×{pixels} pixels, one backward pass, {seeds} seeds; bands are their lowest and highest "
        "values. Sizes are root mean squares over the kernel of a layer. The last layer is random, so the "
        "loss is that of guessing. With random kernels, the pixels are divided by their deviation; the "
        "pretrained kernels get them as they are. Not tuned: all of it."
    ),
    "activation_relu": message("ReLU"),
    "activation_sigmoid": message("sigmoid"),
    "start_glorot": message("Glorot"),
    "start_he": message("He"),
    "start_pretrained": message("pretrained"),
    "convolution": message("convolution, from the photo to the features"),
    "gradient_size": message("size of the gradient"),
    "first_by_last": message("first divided by last"),
    "stacks_title": message("A deep stack, trained"),
    "stacks_idea": message(
        "The same question with training: a stack of dense layers on the features of your photos. Where the "
        "gradients of the first layers vanish, the loss stays at that of guessing."
    ),
    "stacks_text": message(
        "{depth} hidden layers of {units} units, {steps} steps of momentum with batches of {batch} photos, "
        "{seeds} seeds; bands are their lowest and highest values. The learning rate is the best of {rates} "
        "for each line, by the mean loss at the end. The gradients are those before the first step. Not "
        "tuned: momentum 0.9, depth, width and batch size."
    ),
    "step": message("step"),
    "stacks_loss": message("Loss of the stack on the training photos"),
    "stacks_gradients": message("Gradients of the stack before the first step"),
    "dense_layer": message("dense layer, from the features to the classes"),
    "first_gradient": message("gradient of the first layer"),
    "last_gradient": message("gradient of the last layer"),
    "last_loss": message("loss at the end"),
    # The race
    "race_title": message("The optimizers' race"),
    "race_idea": message(
        "All optimizers train the same last layer on the same features, from the same start, with the same "
        "batches. Choose a learning rate that is too small, right or too large, and who runs."
    ),
    "race_text": message(
        "{epochs} epochs of {photos} training photos, batches of {batch}, one seed; gd takes all photos in "
        "one step, and a step of lbfgs counts as an epoch. The loss has an L2 penalty of {penalty}, so that "
        "it has a minimum. The right learning rate has the lowest loss at the end among {rates} rates from "
        "{slowest} to {fastest}; divided by {apart} it is too small, multiplied by {apart} too large. lbfgs "
        "finds its own step sizes. Milliseconds are those of an epoch, its measurement included and "
        "compilation left out. Not tuned: batch size, and all other constants of the optimizers."
    ),
    "rate_small": message("too small"),
    "rate_right": message("right"),
    "rate_large": message("too large"),
    "axis": message("horizontal axis"),
    "optimizers": message("Optimizers"),
    "nobody_runs": message("None of the chosen optimizers has such a learning rate."),
    "lowest": message("the lowest loss that there is"),
    "optimizer": message("optimizer"),
    "right_rate": message("right learning rate"),
    "loss_small": message("loss, rate too small"),
    "loss_right": message("loss, right rate"),
    "loss_large": message("loss, rate too large"),
    "milliseconds": message("milliseconds per epoch"),
    "in_plane": message("path inside the plane"),
    # The surface
    "surface_title": message("The loss surface"),
    "surface_idea": message(
        "The layer has many weights; this is the plane of two directions in which the paths of the "
        "optimizers differ most. The loss is real at each place: blue is low, sand is high, and lines join "
        "places of equal loss. The paths are those of the race with the right learning rate, from the white "
        "dot."
    ),
    "surface_text": message(
        "The plane contains the start and the two principal components of all paths, each path with the same "
        "weight. A path is drawn where its projection is; the part outside the plane is not seen. Colours "
        "are logarithmic."
    ),
    "ball_idea": message(
        "Drop a ball: click, or move the cross with the arrow keys and press Enter. Space is one step."
    ),
    "ball_limits": message(
        "The ball has two weights, its place on the plane, and takes the gradient of all photos. lbfgs, muon "
        "and lamb are left out: they need more than two weights."
    ),
    "rule": message("rule"),
    "roll": message("Roll 100 steps"),
    "one_step": message("One step"),
    "again": message("Back to the start"),
    "surface_label": message("The loss surface with the paths of {names}."),
    "ball_at": message(
        "{rule}, after {steps} steps: place {a}, {b}, loss {loss}, gradient {gradient}. The lowest loss in "
        "the picture: {lowest}."
    ),
    # Dropout
    "overfitting_title": message("Dropout against overfitting"),
    "overfitting_idea": message(
        "Few photos, and some of them have the label of another class. A hidden layer can learn the wrong "
        "labels by heart. Dropout switches off half of its units at random, with each step others."
    ),
    "overfitting_text": message(
        "{photos} training photos, {flipped} of them with a wrong label; {validated} validation photos with "
        "their own labels. {units} hidden units on the pooled features, Adam with learning rate {rate}, "
        "batches of {batch}, {epochs} epochs, {seeds} seeds: each draws other photos, labels and weights. "
        "Lines are means, bands the lowest and highest seed. The training loss is that of the labels that "
        "the layer saw. Not tuned: all of it."
    ),
    "loss_train": message("training, dropout {dropout}"),
    "loss_valid": message("validation, dropout {dropout}"),
    "accuracy_with": message("validation accuracy, dropout {dropout}"),
    "at_the_end": message("at the end"),
    "lowest_in_training": message("lowest on the way, mean"),
    # How it learned
    "learned_title": message("How it learned"),
    "learned_text": message(
        "The {shown} validation photos whose prediction changed last; among equals, those with the lowest "
        "probability of their class. Each line is that probability after each of {epochs} epochs of Adam, "
        "with the defaults of catdog train --optimizer adam. One seed."
    ),
    "changed_in": message("{label}: predicted {before}, since epoch {epoch} {last}"),
    "never_changed": message("{label}: predicted {last} from the first epoch on"),
    "probability_of": message(
        "Probability of the class of {name}: {first} after the first epoch, {last} at the end"
    ),
    "to_epoch": message("epochs 1 to {epochs}"),
    # Splits
    "splits_title": message("One split is luck"),
    "splits_idea": message(
        "The accuracy depends on which photos happen to be in the validation split. Here the same head is "
        "trained on many random splits of the same photos."
    ),
    "splits_text": message(
        "{splits} random splits of {photos} photos, training and validation together: {validated} photos of "
        "each are for validation, the same fraction of each class. Heads are fitted by lbfgs, always with "
        "the same penalty. The splits share their photos: the histogram shows the luck of a split, the "
        "interval is about new photos. Near-duplicates were not kept together."
    ),
    "number_of_splits": message("number of splits"),
    "interval": message(
        "The orange dot is the median split, the orange line the 95 % interval of that one result: "
        "{low} to {high}."
    ),
    "own_split": message(
        "The split of catdog train: {right} of {all} validation photos are right, 95 % interval "
        "{low} to {high}."
    ),
    # Architectures
    "architectures_title": message("The others of the lecture"),
    "architectures_idea": message(
        "VGG16 is easy to read, and large. What came before and after it, for one photo."
    ),
    "network": message("network"),
    "depth": message("layers"),
    "parameters": message("parameters (millions)"),
    "multiply_adds": message("multiply-adds (millions)"),
    "top1": message("top-1 error"),
    "top5": message("top-5 error"),
    "computed": COMPUTED,
    "published": PUBLISHED,
}
