"""Writes gaussian_processes.json: what scikit-learn and SciPy say of Gaussian processes and of minima.

    python -m pip install numpy==2.4.* scipy==1.17.* scikit-learn==1.* mpmath==1.*
    python gaussian_processes.py > gaussian_processes.json
"""

import json

import mpmath
import numpy as np
from scipy import optimize, stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

mpmath.mp.dps = 40
rng = np.random.default_rng(1)


def log_gain(x):
    x = mpmath.mpf(x)
    return float(mpmath.log(mpmath.npdf(x) + x * mpmath.ncdf(x)))


normal = [
    {"x": x, "log_below": float(mpmath.log(mpmath.ncdf(mpmath.mpf(x)))), "log_gain": log_gain(x)}
    for x in [-300.0, -101.0, -99.0, -40.0, -12.5, -5.0, -1.01, -0.99, -0.3, 0.0, 0.7, 3.0, 9.0]
]

points = rng.uniform(size=(12, 3))
values = np.sin(5 * points[:, 0]) + points[:, 1] ** 2
at = rng.uniform(size=(5, 3))
scales, noise = [0.4, 0.9, 2.0], 1e-3
regressor = GaussianProcessRegressor(Matern(scales, nu=2.5), alpha=noise, optimizer=None).fit(points, values)
# The constant mean that is most plausible.
covariance = Matern(scales, nu=2.5)(points) + noise * np.eye(12)
ones = np.linalg.solve(covariance, np.ones(12))
mean = float(ones @ values / ones.sum())
centred = GaussianProcessRegressor(Matern(scales, nu=2.5), alpha=noise, optimizer=None).fit(points, values - mean)
expected, deviation = centred.predict(at, return_std=True)
prior_mean = np.sqrt(2) + 0.5 * np.log(3)
prior = stats.lognorm(np.sqrt(3), scale=np.exp(prior_mean)).logpdf(scales).sum() + stats.lognorm(
    2, scale=np.exp(-4)
).logpdf(noise)
matern = {
    "points": points.tolist(),
    "values": values.tolist(),
    "at": at.tolist(),
    "scales": scales,
    "noise": noise,
    "mean": (expected + mean).tolist(),
    "deviation": deviation.tolist(),
    "log_likelihood": float(centred.log_marginal_likelihood_value_),
    "log_prior": float(prior),
}

# Main effects: the mean of correlations along each coordinate alone. A scale of 1e9 leaves a coordinate out.
share, narrowing = 0.4, 2.5
effects = sum(
    share / 3 * Matern([scale / np.sqrt(narrowing) if i == d else 1e9 for i, scale in enumerate(scales)], nu=2.5)
    for d in range(3)
)
kernel = (1 - share) * Matern(scales, nu=2.5) + effects
ones = np.linalg.solve(kernel(points) + noise * np.eye(12), np.ones(12))
mean = float(ones @ values / ones.sum())
centred = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(points, values - mean)
expected, deviation = centred.predict(at, return_std=True)
main_effects = {
    "share": share,
    "narrowing": narrowing,
    "mean": (expected + mean).tolist(),
    "deviation": deviation.tolist(),
    "log_likelihood": float(centred.log_marginal_likelihood_value_),
}

front = [[-0.9, 0.8], [-0.2, 0.1], [0.5, -0.6]]
reference = [1.0, 1.2]
volumes = []
for mean, deviation in [([0.0, 0.0], [0.4, 0.7]), ([-0.8, 0.5], [0.2, 0.1]), ([0.9, 0.9], [0.1, 0.2])]:

    def depth(x, mean=mean, deviation=deviation):
        """The expected depth below the staircase at x."""
        ceiling = min([reference[1]] + [b for a, b in front if a <= x])
        u = (ceiling - mean[1]) / deviation[1]
        return deviation[1] * (stats.norm.pdf(u) + u * stats.norm.cdf(u))

    # A fine sum over the first coordinate: nothing of the closed form is used there.
    x = np.concatenate([np.linspace(a, b, 200_001) for a, b in [(-8, -0.9), (-0.9, -0.2), (-0.2, 0.5), (0.5, 1.0)]])
    middle, width = (x[1:] + x[:-1]) / 2, np.diff(x)
    chance = stats.norm.cdf((middle - mean[0]) / deviation[0])
    ends = np.array([-8, -0.9, -0.2, 0.5, 1.0])
    depths = np.array([depth(c) for c in (ends[1:] + ends[:-1]) / 2])
    part = np.clip(np.searchsorted(ends, middle) - 1, 0, 3)
    volumes.append({"mean": mean, "deviation": deviation, "volume": float((chance * width * depths[part]).sum())})



def rosenbrock(x):
    return 100 * (x[1:] - x[:-1] ** 2) @ (x[1:] - x[:-1] ** 2) + (1 - x[:-1]) @ (1 - x[:-1])


minima = []
for start, low, high in [([-1.2, 1.0, 0.3], -5.0, 5.0), ([-1.2, 1.0, 0.3], -2.0, 0.7), ([3.0, -2.0], 1.5, 4.0)]:
    bounds = [(low, high)] * len(start)
    found = optimize.minimize(rosenbrock, start, bounds=bounds, options={"ftol": 0, "gtol": 1e-12, "maxiter": 10_000})
    minima.append({"start": start, "low": low, "high": high, "x": found.x.tolist(), "value": float(found.fun)})

volumes = {"front": front, "reference": reference, "volumes": volumes}
told = {"normal": normal, "matern": matern, "main_effects": main_effects, "volumes": volumes, "minima": minima}
print(json.dumps(told, indent=1))
