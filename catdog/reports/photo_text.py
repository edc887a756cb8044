"""The sentences of a photo's page, by the names that its script uses; the script fills in their fields."""

from catdog.text import Message, message

SENTENCES: dict[str, Message] = {
    "title": message("Inside the network: {photo}"),
    "introduction": message(
        "Every number on this page was computed from this photo by the model {model}. Click on a map, or "
        "choose a part with Tab and move with the arrow keys. The address of the page follows: it can be "
        "saved and shared."
    ),
    "contents": message("Contents"),
    "language": message("Language"),
    "made": message(
        "Made by catdog {version}. This page is one file: it loads nothing, and all its numbers come from "
        "this photo."
    ),
    # Prediction
    "prediction": message("Prediction"),
    "class": message("class"),
    "probability": message("probability"),
    "calibrated": message(
        "The probabilities are calibrated: the logits were divided by a temperature that was fitted to "
        "validation photos."
    ),
    "uncalibrated": message("The probabilities are not calibrated."),
    "averaged": message(
        "They are the mean over {views} views of the photo; the rest of the page is about the photo as it is."
    ),
    "on_the_way": message("From the file to the network's input"),
    "step_file": message("The photo, upright, {size} pixels in the file"),
    "step_squash": message("Squashed to {size}×{size} pixels. Click on a pixel."),
    "step_crop": message("The central square, {size}×{size} pixels. Click on a pixel."),
    "step_pad": message("Padded with black to {size}×{size} pixels. Click on a pixel."),
    "step_channel": message(
        "Input channel {number}: {colour} minus its mean. Blue is negative, orange positive."
    ),
    "three_title": message("A value, yes or no, a category"),
    "three_text": message(
        "Three last layers on the same features, the mean of each channel of block5_pool: fitted to {fitted} "
        "photos of this model for this page, and measured on {held_out} others. Of the value, the error is "
        "shown, which is the mean distance; of the others the accuracy."
    ),
    "three_none": message(
        "The three outputs beside each other need a model of classes whose photos and features are here."
    ),
    "last_layer": message("last layer"),
    "this_photo": message("this photo"),
    "on_held_out": message("on held-out photos"),
    "guessing": message("guessing"),
    "three_value": message("brightness {found} (measured: {brightness} of 255)"),
    "three_binary": message("{label}, yes or no: {found} yes"),
    "three_category": message("the class {label}: {found}"),
    "red": message("red"),
    "green": message("green"),
    "blue": message("blue"),
    "pixel": message(
        "Pixel y {row}, x {column}: RGB {rgb}, in the network's order {order} {ordered}, minus the mean "
        "{mean}: input {input}"
    ),
    # Layers
    "layers": message("Layers"),
    "layers_text": message(
        "The 13 convolutions and 5 pools of VGG16, from the photo to the features. Each unit of a layer "
        "makes a map of where it finds its pattern; the map with the largest value comes first. In the grid, "
        "the left and right arrow keys choose a unit, up and down a layer."
    ),
    "grid": message("Units of the layer"),
    "facts": message(
        "{layer}: output {shape}, {parameters} parameters, {work} multiply-adds, receptive field "
        "{field}×{field} pixels"
    ),
    "unit": message("unit {unit}"),
    "large": message(
        "{layer}, unit {unit} (number {rank} of {count} by its largest value, {largest}). At y {y}, x {x}, "
        "the white square: {value}. The yellow square is the receptive field, {field} pixels."
    ),
    "coarse": message("Of this unit the page has a small map only: values are means over squares."),
    # Receipt
    "receipt": message("A receipt for this number"),
    "receipt_of": message("Where the value of {layer}, unit {unit}, at y {y}, x {x} comes from:"),
    "from": message("from"),
    "input": message("input"),
    "weight": message("weight"),
    "product": message("product"),
    "tap": message("unit {unit}, y {y}, x {x}"),
    "tap_pixel": message("{colour}, y {y}, x {x}"),
    "rest": message("the {count} other products"),
    "bias": message("bias"),
    "sum": message("sum"),
    "place": message("place"),
    "won": message("the largest: this one goes on"),
    "comparison": message(
        "The page added this up itself. It differs from the value that JAX computed by {difference} % of the "
        "sizes of all products; allowed are {tolerance} %, since the numbers in the page have 11 bits."
    ),
    "no_comparison": message(
        "The page computed this from the photo's pixels with the network's own weights."
    ),
    "missing_unit": message("The weights of this unit are not in the page. Those of the units {units} are."),
    "missing_pool": message("The four inputs of this value are not in the page."),
    "missing_place": message(
        "The inputs of this place are not in the page. In this layer, receipts are there for the units "
        "{units}, each at the places with a green square."
    ),
    # Crops
    "crops_title": message("From 1 cm away"),
    "crops_text": message(
        "What a unit of {layer} sees of the photo, {field}×{field} pixels, where its value is largest. A "
        "unit of the first layers sees as little as somebody who looks at a picture from 1 cm away."
    ),
    "crop": message("unit {unit}: {value}"),
    # What units look for
    "seeks_title": message("What the units look for"),
    "seeks_text": message(
        "Each image began as noise and was changed step by step by gradient ascent, so that the unit's mean "
        "value before ReLU became large. It shows what the unit answers to in any photo, not what it found "
        "in this one."
    ),
    "seeks_before": message("They are of the pretrained weights: this layer was trained afterwards."),
    "seeks_image": message("what unit {unit} looks for"),
    "seeks_none": message("The page has no such images for units of {layer} with these weights."),
    "seeks_pool": message(
        "A pool looks for nothing of its own: its units have the images of the convolution before it."
    ),
    "patches_title": message("The strongest patches of the model's own photos"),
    "patches_text": message(
        "{photos} photos of this model were searched for the largest values of unit {unit} in {layer}. This "
        "is what the unit sees of the first six, {field}×{field} pixels."
    ),
    "patches_before": message("The same unit with the pretrained weights, before this layer was trained:"),
    "patches_units": message("The photos were searched for the units {units} of this layer."),
    "patches_layers": message(
        "The photos were searched for units of {layers} and of the convolution before: other features are "
        "not cached."
    ),
    "patches_none": message(
        "No photos were searched: this model has no folder of photos here, or their features are not cached."
    ),
    "patch": message("{photo}, value {value}"),
    "own_title": message("What the classes and the trained units of this model look for"),
    "own_text": message(
        "Computed for this page in the same way, {size}×{size} pixels, {steps} steps. The image of a class "
        "has a high logit, that of a unit a high mean value."
    ),
    "own_unit": message("{layer}, unit {unit}: {when}"),
    "before_training": message("before the training"),
    "after_training": message("after it"),
    # Head
    "head_title": message("The head, exactly"),
    "no_head": message("This head has hidden layers. The page does not compute it again."),
    "head_gem": message(
        "This head takes the generalized mean of each channel over all places (the cube root of the mean of "
        "the cubes), scales the vector to unit length, and adds up its products with the weights."
    ),
    "head_concat": message(
        "This head takes the mean and the maximum of each channel over all places, and adds up their "
        "products with the weights."
    ),
    "head_linear": message(
        "This head takes the mean of each channel over all places, and adds up its products with the weights."
    ),
    "margin": message(
        "The logit of {label} minus the logit of {rival} is {margin}: channels {channels}, bias {bias}. The "
        "same channels, divided among the places: {places}, and {elsewhere} that belongs to no place."
    ),
    "margin_label": message(
        "The logit of {label} is {margin}: channels {channels}, bias {bias}. The same channels, divided "
        "among the places: {places}, and {elsewhere} that belongs to no place."
    ),
    "margin_value": message(
        "The value is {margin}: channels {channels}, bias {bias}. The same channels, divided among the "
        "places: {places}, and {elsewhere} that belongs to no place."
    ),
    "before": message("{label}: {result}. Switch a channel or a place off to see it change."),
    "after": message("{label}: {result}. With everything on it was {whole}."),
    "reset": message("Switch all on"),
    "channel": message("channel {channel}"),
    "channel_on": message("channel (on)"),
    "adds": message("adds"),
    "rest_channels": message("the {count} other channels"),
    "place_adds": message(
        "What each place of block5_pool adds. Place y {y}, x {x}: {value}. Click, or press the space bar, to "
        "switch it off."
    ),
    "grad_cam": message("Grad-CAM of {label}"),
    "cam_or_sum": message(
        "The map of the places is an exact sum: its values, what belongs to no place, and the bias give the "
        "first number of this section. It divides what is there. What the model would say without a place is "
        "another question: switch the place off. Grad-CAM weights the maps of block5_conv3 by their mean "
        "gradients and leaves out what is negative: it shows where the evidence is, and adds up to nothing."
    ),
    # Convolution
    "convolution_title": message("Convolution, step by step"),
    "example_intro": message(
        "First the lecture's kernel, 8 in the middle and -1 around it, on 25 numbers of our own (left): an "
        "edge between 20 and 80, and one point of 60. On the right are the sums. Where nothing changes the "
        "sum is 0. Move with the arrow keys."
    ),
    "example_sum": message(
        "Row {row}, column {column}: 8 × {middle} - ({around}) = {sum}; after ReLU {positive}. Outside are "
        "zeros."
    ),
    "convolution_photo": message("The same on the photo"),
    "convolution_text": message(
        "A kernel moves over the photo. At each place, its numbers are multiplied with the pixels below it, "
        "and the products are added up. Move the window with the arrow keys, or type other numbers into its "
        "nine cells."
    ),
    "kernel": message("kernel"),
    "kernel_edges": message("the lecture's: 8 in the middle, -1 around it"),
    "kernel_unit": message("block1_conv1, unit {unit}"),
    "padding": message("zero padding"),
    "window": message("The window on the photo. The lecture's kernel takes its grey values."),
    "result": message("The result, {size}×{size}, with ReLU; the largest 0.5 % are white."),
    "cell": message("number {number} of the window"),
    "nine": message("Nine grey values around y {y}, x {x}, their products, and the sum of these."),
    "outside": message("{outside} of them are outside of the photo: zeros."),
    "twenty_seven": message(
        "Three channels around y {y}, x {x}: 27 products, their sum {sum}, bias {bias}; after ReLU {value}."
    ),
    "padding_text": message(
        "With zero padding the result is as large as the photo: at an edge 3 of the 9 cells are outside, in "
        "a corner 5, and they count as 0. Zero is no neutral colour for the lecture's kernel: it finds an "
        "edge along the border. Without padding, each convolution takes a border of one pixel away."
    ),
    "pooling_title": message("Max-pooling, at the same place"),
    "pooling_text": message(
        "block1_pool takes the largest of each 2×2 values of block1_conv2 and drops where it was. Unit "
        "{unit}, the strongest, at y {y}, x {x}: {value}."
    ),
    "moved_title": message("The photo, moved by one pixel"),
    "moved_text": message(
        "The photo is moved to the right by one pixel, and the network computes all layers again. This is "
        "how much each layer's output changes, relative to its size. A pool keeps the largest of four values "
        "wherever it is, which is meant to make the change smaller."
    ),
    "layer": message("layer"),
    "change": message("change"),
    # Code
    "code_title": message("The lecture's code, with this photo's numbers"),
    "code_text": message(
        "The milliseconds were measured on the machine that made this page, for one photo, convolution by "
        "convolution."
    ),
    "line": message("line"),
    "output": message("output"),
    "parameters": message("parameters"),
    "work": message("multiply-adds (M)"),
    "milliseconds": message("ms"),
    "note_pop": message("takes the layer of 1000 classes away"),
    "note_freeze": message("the layers before stay as they are"),
    "note_absent": message("in the original network only"),
    "note_head": message("the new head of this model"),
    # Checks
    "checks": message(
        "Checked in this page: block1_conv1 computed from the pixels differs from JAX by {convolution} of "
        "the largest value, {count} receipts by at most {receipts} of the sizes of their products."
    ),
    "check_head": message("What the head predicts differs by {head}."),
}
