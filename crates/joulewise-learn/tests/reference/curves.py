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

STEPS, BATCH, BATCHES, CLASSES = 30, 32, 3, 10


class Residual(nn.Module):
    """`relu(x + bn(conv(relu(bn(conv(x))))))`, all of one width."""

    def __init__(self, width):
        super().__init__()
        self.inner = nn.Sequential(*conv_bn_relu(width, width), *conv_bn_relu(width, width)[:2])

    def forward(self, x):
        return (x + self.inner(x)).relu()


def conv_bn_relu(inputs, outputs):
    """A 3x3 convolution without bias, batch normalisation, ReLU."""
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def classifier(width):
    """Global average pooling and a linear layer."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES)]


def mlp():
    hidden = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU()]
    return (1, 28, 28), nn.Sequential(nn.Flatten(), *hidden, nn.Linear(512, CLASSES))


def lenet():
    features = []
    for inputs, outputs in [(1, 32), (32, 64)]:
        features += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, CLASSES)]
    return (1, 28, 28), nn.Sequential(*features, *head)


def vgg():
    layers = []
    for inputs, outputs in [(3, 32), (32, 64), (64, 128)]:
        layers += conv_bn_relu(inputs, outputs) + conv_bn_relu(outputs, outputs) + [nn.MaxPool2d(2)]
    return (3, 32, 32), nn.Sequential(*layers[:-1], *classifier(128))


def resnet8():
    layers = []
    for inputs, outputs in [(3, 32), (32, 64), (64, 128)]:
        layers += conv_bn_relu(inputs, outputs) + [Residual(outputs), nn.MaxPool2d(2)]
    return (3, 32, 32), nn.Sequential(*layers[:-1], *classifier(128))


SGD = dict(kind="sgd", lr=0.02, momentum=0.9, weight_decay=5e-4, nesterov=False)
ADAM = dict(lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8)
CURVES = [
    ("lenet", lenet, SGD, 0.0),
    ("vgg", vgg, SGD | dict(lr=0.003, nesterov=True), 0.0),
    ("resnet8", resnet8, SGD | dict(lr=0.0015), 0.1),
    ("mlp", mlp, ADAM | dict(kind="adam", weight_decay=5e-4), 0.0),
    ("mlp", mlp, ADAM | dict(kind="adamw", weight_decay=1e-2), 0.0),
]


NAMES = {
    "mlp": "fc1 fc2 fc3",
    "lenet": "conv1 conv2 fc1 fc2",
    "vgg": "conv1 bn1 conv2 bn2 conv3 bn3 conv4 bn4 conv5 bn5 conv6 bn6 fc",
    "resnet8": "conv1 bn1 conv1a bn1a conv1b bn1b conv2 bn2 conv2a bn2a conv2b bn2b conv3 bn3 conv3a bn3a conv3b bn3b fc",
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


def curve(name, build, options, smoothing, dtype=torch.float32):
    """Trains for STEPS steps; returns the entry of curves.json."""
    torch.set_default_dtype(dtype)
    shape, net = build()
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
