"""What scikit-learn's GaussianProcessRegressor predicts with the defaults that it had when the search was published: `python paper.py > paper.json`.

scikit-learn 1.9.1. One problem as wide as the kernel, and one like that of the published search, whose parameters are
so narrow that the matrix is all but singular.
"""

import json
import warnings

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

warnings.filterwarnings("ignore")
# The default up to scikit-learn 1.8; from 1.9 on the default is fitted.
DEFAULT = ConstantKernel(1.0, "fixed") * RBF(1.0, "fixed")
rng = np.random.default_rng(1)


def problem(low, high, seen, function):
    low, high = np.array(low), np.array(high)
    x = low + (high - low) * rng.random((seen, len(low)))
    points = low + (high - low) * rng.random((20, len(low)))
    x, points = x.round(6), points.round(6)
    y = np.array([function(row) for row in x]).round(6)
    mean, deviation = GaussianProcessRegressor(DEFAULT).fit(x, y).predict(points, return_std=True)
    return {
        "seen": x.tolist(),
        "values": y.tolist(),
        "points": points.tolist(),
        "means": mean.tolist(),
        "deviations": deviation.tolist(),
    }


wide = problem([-5, 0, -3], [10, 15, 3], 40, lambda x: np.sin(x[0]) + 0.1 * x[1] - x[2])
narrow = problem([1e-5, 0.1, 0.8], [0.1, 1, 1], 8, lambda x: 0.85 - 3 * (x[0] - 0.02) ** 2 + 0.1 * x[1])
print(json.dumps([wide, narrow]))
