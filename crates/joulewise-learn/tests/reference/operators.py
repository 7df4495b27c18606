"""Writes operators.json: small forward and backward results, optimisers and schedules of PyTorch, f32.

usage: python operators.py            (needs torch and numpy; see formula.py)

An operator's case called `c` is a network `scale` (a depthwise 1x1 convolution without bias, whose gradient shows that
of the operator's input), the operator, a flattening and a linear `head` of three classes without bias. Input and
parameters are `formula.signed("c/x")`, `formula.signed("c/scale")`, `formula.signed("c/weight")` and so on, the labels
`formula.labels("c/labels")`; batch normalisation's `weight` is that plus 1.5, and its running statistics start at 0
and 1. The file holds the operator's result `y` at inference; the cross-entropy `loss` and its gradients in training;
and the running statistics after that one step.

An optimiser's case starts at `formula.signed("w")`, takes the gradient `formula.signed("g{step}")` at each step,
counted from 0, and lists the parameter after each. A schedule lists the learning rate that each step uses.
"""

import json
from pathlib import Path

import torch
from torch import nn

import formula

CLASSES = 3


def tensor(name, shape):
    return torch.from_numpy(formula.signed(name, tuple(shape)))


def numbers(values):
    return [float(f"{value:.8g}") for value in values.detach().flatten().tolist()]


def operator(case, kind, layer, shape, **options):
    """Runs one layer at inference, then forward and backward in training."""
    channels = shape[1]
    scale = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
    x = tensor(f"{case}/x", shape)
    entry = dict(case=case, kind=kind, x_shape=list(shape), **options)
    scale.weight.data = tensor(f"{case}/scale", scale.weight.shape)
    for role, parameter in layer.named_parameters():
        entry[f"{role}_shape"] = list(parameter.shape)
        shift = 1.5 if kind == "batch_norm" and role == "weight" else 0.0
        parameter.data = tensor(f"{case}/{role}", parameter.shape) + shift
    with torch.no_grad():
        y = layer.eval()(scale(x))
    head = nn.Linear(y[0].numel(), CLASSES, bias=False)
    head.weight.data = tensor(f"{case}/head", head.weight.shape)
    labels = torch.from_numpy(formula.labels(f"{case}/labels", len(x), CLASSES))
    loss = nn.functional.cross_entropy(head(layer.train()(scale(x)).flatten(1)), labels)
    loss.backward()
    entry |= dict(y_shape=list(y.shape), y=numbers(y), loss=loss.item(), dscale=numbers(scale.weight.grad))
    entry |= {f"d{role}": numbers(parameter.grad) for role, parameter in layer.named_parameters()}
    entry |= {role: numbers(b) for role, b in layer.named_buffers() if role.startswith("running")}
    return entry


def conv(case, channels, kernel, size, stride=(1, 1), padding=(0, 0), groups=1, bias=True):
    layer = nn.Conv2d(*channels, kernel, stride, padding, groups=groups, bias=bias)
    options = dict(stride=list(stride), padding=list(padding), groups=groups)
    return operator(case, "conv", layer, (2, channels[0], *size), **options)


def pool(case, kind, kernel, size, stride, padding=(0, 0)):
    layer = dict(max_pool=nn.MaxPool2d, avg_pool=nn.AvgPool2d)[kind](kernel, stride, padding)
    options = dict(kernel=list(kernel), stride=list(stride), padding=list(padding))
    return operator(case, kind, layer, (2, 3, *size), **options)


def operators():
    return [
        conv("conv-3x3", (3, 4), (3, 3), (5, 6), padding=(1, 1)),
        conv("conv-3x3-without-bias", (2, 5), (3, 3), (4, 4), padding=(1, 1), bias=False),
        conv("conv-1x1", (5, 3), (1, 1), (4, 3)),
        conv("conv-5x5-stride-2", (3, 4), (5, 5), (7, 6), stride=(2, 2), padding=(2, 2)),
        conv("conv-3x2-uneven", (2, 3), (3, 2), (6, 7), stride=(2, 1), padding=(0, 1)),
        conv("conv-grouped", (4, 6), (3, 3), (5, 4), padding=(1, 1), groups=2),
        conv("conv-depthwise-stride-2", (4, 4), (3, 3), (6, 5), stride=(2, 2), padding=(1, 1), groups=4),
        pool("max-pool-2", "max_pool", (2, 2), (6, 5), stride=(2, 2)),
        pool("max-pool-3-overlapping", "max_pool", (3, 3), (5, 6), stride=(2, 2), padding=(1, 1)),
        pool("avg-pool-2", "avg_pool", (2, 2), (4, 6), stride=(2, 2)),
        pool("avg-pool-3-padded", "avg_pool", (3, 3), (5, 5), stride=(2, 2), padding=(1, 1)),
        operator("global-avg-pool", "global_avg_pool", nn.AdaptiveAvgPool2d(1), (2, 3, 4, 5)),
        operator("batch-norm", "batch_norm", nn.BatchNorm2d(3), (4, 3, 2, 3), epsilon=1e-5, momentum=0.1),
    ]


def cross_entropy(case, smoothing):
    """Mean loss over 6 examples of 5 classes, logits four times `signed`, and its gradient."""
    logits = (4 * tensor(f"{case}/x", (6, 5))).requires_grad_()
    labels = torch.from_numpy(formula.labels(f"{case}/labels", 6, 5))
    loss = nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    loss.backward()
    return dict(case=case, smoothing=smoothing, shape=[6, 5], loss=loss.item(), dx=numbers(logits.grad))


def sequence(case, make, **options):
    """Five steps of an optimiser on six numbers."""
    w = nn.Parameter(tensor("w", (6,)))
    optimiser = make(w)
    after = []
    for step in range(5):
        w.grad = tensor(f"g{step}", (6,))
        optimiser.step()
        after.append(numbers(w))
    return dict(case=case, **options, w=after)


def optimisers():
    sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
    plain = dict(lr=0.1, weight_decay=0.01)
    moments = dict(beta1=0.9, beta2=0.99, epsilon=1e-8)
    return [
        sequence("sgd", lambda w: sgd([w], momentum=0.0, **plain), **plain, momentum=0.0),
        sequence("momentum", lambda w: sgd([w], momentum=0.9, **plain), **plain, momentum=0.9),
        sequence("nesterov", lambda w: sgd([w], momentum=0.9, nesterov=True, **plain), **plain, momentum=0.9),
        sequence("adam", lambda w: adam([w], betas=(0.9, 0.99), **plain), **plain, **moments),
        sequence("adamw", lambda w: adamw([w], betas=(0.9, 0.99), **plain), **plain, **moments),
    ]


def schedule(case, lr, steps, make, **options):
    """The learning rate of each step."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimiser)
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return dict(case=case, base_lr=lr, steps=steps, **options, lr=[float(f"{rate:.10g}") for rate in rates])


def schedules():
    at = torch.optim.lr_scheduler
    return [
        schedule("step", 0.1, 12, lambda o: at.StepLR(o, 4, 0.1), warmup=0.0),
        schedule("cosine", 0.1, 20, lambda o: at.CosineAnnealingLR(o, 20), warmup=0.0),
        schedule("one-cycle", 0.1, 20,
                 lambda o: at.OneCycleLR(o, 0.1, total_steps=20, pct_start=0.3, cycle_momentum=False),
                 warmup=0.3),
    ]


def main():
    torch.set_num_threads(1)
    sections = dict(
        operators=operators(),
        losses=[cross_entropy("cross-entropy", 0.0), cross_entropy("label-smoothing", 0.1)],
        optimisers=optimisers(),
        schedules=schedules(),
    )
    parts = [f'"torch": "{torch.__version__}"']
    for name, entries in sections.items():
        parts.append(f'"{name}": [\n' + ",\n".join(json.dumps(entry) for entry in entries) + "\n]")
    Path(__file__).with_name("operators.json").write_text("{" + ",\n".join(parts) + "}\n")


if __name__ == "__main__":
    main()
