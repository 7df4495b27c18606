"""The networks of Joulewise's builders in PyTorch: `NETS[name]()` gives the shape of an example and the network."""

from torch import nn

CLASSES = 10


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


def untuned():
    """Channel counts, strides and kernels that no kernel was tuned for."""
    first = [nn.Conv2d(3, 24, 5, padding=2), nn.ReLU()]
    second = [nn.Conv2d(24, 40, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(40), nn.ReLU()]
    third = [nn.Conv2d(40, 56, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(56), nn.ReLU()]
    return (3, 32, 32), nn.Sequential(*first, *second, *third, *classifier(56))


NETS = dict(mlp=mlp, lenet=lenet, vgg=vgg, resnet8=resnet8, untuned=untuned)
