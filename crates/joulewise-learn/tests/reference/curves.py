"""Writes curves.json: training-loss curves of the built-in networks in PyTorch, f32.

usage: python curves.py [--check]            (needs torch and numpy; no data set: see formula.py)

Each curve lists its parameters in forward order, under the names that the Rust builders give them. The `weight` and
`bias` of a convolution or linear layer come from `formula.weight` under the listed name, with the fan-in of the layer;
batch normalisation starts at weight 1 and bias 0. The batch of step `s`, counted from 0, is `formula.signed("x{b}")`
with labels `formula.labels("y{b}")`, `b = s % batches`. `loss[s]` is its loss before the update of the step.

A curve is worth comparing only where rounding does not grow into it: a batch-normalised network at a large learning
rate turns 1e-7 into 1e-2 within 30 steps. The rates below keep f32 within 1e-4 of f64 (`python curves.py --check`),
while another momentum rule, or a rate that is 1 % off, moves a curve by more than 1e-3.
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn

import formula
from nets import CLASSES, NETS

STEPS, BATCH, BATCHES = 30, 32, 3

SGD = dict(kind="sgd", lr=0.02, momentum=0.9, weight_decay=5e-4, nesterov=False)
ADAM = dict(lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8)
CURVES = [
    ("lenet", SGD, 0.0),
    ("vgg", SGD | dict(lr=0.003, nesterov=True), 0.0),
    ("resnet8", SGD | dict(lr=0.0015), 0.1),
    ("untuned", SGD | dict(lr=0.003), 0.0),
    ("mlp", ADAM | dict(kind="adam", weight_decay=5e-4), 0.0),
    ("mlp", ADAM | dict(kind="adamw", weight_decay=1e-2), 0.0),
]

NAMES = {
    "mlp": "fc1 fc2 fc3",
    "lenet": "conv1 conv2 fc1 fc2",
    "vgg": "conv1 bn1 conv2 bn2 conv3 bn3 conv4 bn4 conv5 bn5 conv6 bn6 fc",
    "resnet8": "conv1 bn1 conv1a bn1a conv1b bn1b conv2 bn2 conv2a bn2a conv2b bn2b"
    " conv3 bn3 conv3a bn3a conv3b bn3b fc",
    "untuned": "conv1 conv2 bn2 conv3 bn3 fc",
}


def initialise(net, names):
    """Fills the layers, called `names` in forward order, by formula; returns the parameters' names and shapes."""
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d, nn.Linear))]
    listed = []
    for layer, layer_name in zip(layers, names.split(), strict=True):
        for role, parameter in layer.named_parameters():
            name = f"{layer_name}.{role}"
            listed.append(dict(name=name, shape=list(parameter.shape)))
            if not isinstance(layer, nn.BatchNorm2d):
                values = formula.weight(name, tuple(parameter.shape), layer.weight[0].numel())
                parameter.data = torch.from_numpy(values).to(parameter.dtype)
    return listed


def optimiser(net, options):
    """PyTorch's optimiser for one of the option tables above."""
    decay = options["weight_decay"]
    if options["kind"] == "sgd":
        return torch.optim.SGD(net.parameters(), options["lr"], options["momentum"],
                               weight_decay=decay, nesterov=options["nesterov"])
    make = torch.optim.Adam if options["kind"] == "adam" else torch.optim.AdamW
    betas = (options["beta1"], options["beta2"])
    return make(net.parameters(), options["lr"], betas, options["epsilon"], decay)


def curve(name, options, smoothing, dtype=torch.float32):
    """Trains for STEPS steps; returns the entry of curves.json."""
    torch.set_default_dtype(dtype)
    shape, net = NETS[name]()
    parameters = initialise(net, NAMES[name])
    optimise, loss_of = optimiser(net, options), nn.CrossEntropyLoss(label_smoothing=smoothing)
    losses = []
    for step in range(STEPS):
        x = torch.from_numpy(formula.signed(f"x{step % BATCHES}", (BATCH, *shape))).to(dtype)
        y = torch.from_numpy(formula.labels(f"y{step % BATCHES}", BATCH, CLASSES))
        optimise.zero_grad()
        loss = loss_of(net(x), y)
        loss.backward()
        optimise.step()
        losses.append(loss.item())
    return dict(net=name, input_shape=list(shape), batch=BATCH, batches=BATCHES, classes=CLASSES, optimiser=options,
                label_smoothing=smoothing, parameters=parameters, loss=[float(f"{value:.7g}") for value in losses])


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    entries = [curve(*spec) for spec in CURVES]
    if "--check" in sys.argv:
        for entry, spec in zip(entries, CURVES):
            exact = curve(*spec, dtype=torch.float64)
            print(entry["net"], max(abs(a - b) for a, b in zip(entry["loss"], exact["loss"])))
        return
    out = Path(__file__).with_name("curves.json")
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    out.write_text(f'{{"torch": "{torch.__version__}", "curves": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
