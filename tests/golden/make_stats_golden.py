"""Golden values of src/stats, from implementations that share no code with it.

    python3 tests/golden/make_stats_golden.py > tests/golden/stats.json     (numpy 2.4.6, scipy 1.17.1, statsmodels 0.15.0)

- McNemar: statsmodels mcnemar(exact=True). Clopper-Pearson: scipy binomtest. Holm, Benjamini-Hochberg: statsmodels.
- Score interval of a paired difference: the multinomial likelihood under the null is maximised numerically, the score
  statistic of Tango (1998) is inverted with brentq; none of his closed forms is used.
- CR2: matrices over items, with the symmetric inverse square root of I - H by eigenvalues and the Satterthwaite
  degrees of freedom from the full quadratic form (Bell & McCaffrey 2002), for the regression on a constant.
- Sign flip: scipy permutation_test(permutation_type="samples") on cluster sums, exact; its interval by bisection.
- Wild cluster bootstrap-t: all 6^5 Webb weight vectors, residuals and standard errors over items.
- ICC: mean squares of statsmodels' one-way anova_lm. TOST: statsmodels ttost_paired.
- Bootstrap-t of a ratio and of a sum statistic: plain numpy loops over resampled lists of clusters, 20 000 resamples.
"""
import itertools
import json

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.stats
import statsmodels.formula.api as smf
import statsmodels.stats.anova as sm_anova
import statsmodels.stats.contingency_tables as sm_tables
import statsmodels.stats.multitest as sm_multi
import statsmodels.stats.weightstats as sm_weight

rng = np.random.default_rng(20240707)
out = {}

out["mcnemar"] = [
    {"b": b, "c": c, "p": float(sm_tables.mcnemar([[10, b], [c, 10]], exact=True).pvalue)}
    for b, c in [(0, 0), (0, 1), (1, 0), (5, 5), (2, 12), (30, 12), (0, 6), (150, 180), (700, 600)]
]

out["clopper_pearson"] = []
for k, n, conf in [(0, 10, 0.95), (10, 10, 0.95), (3, 17, 0.95), (1, 96, 0.95), (0, 96, 0.95), (500, 1000, 0.99)]:
    ci = scipy.stats.binomtest(k, n).proportion_ci(conf, method="exact")
    out["clopper_pearson"].append({"k": k, "n": n, "confidence": conf, "low": float(ci.low), "high": float(ci.high)})


def tango_z(b, c, n, delta):
    """Score statistic for p_c - p_b = delta with the nuisance p_b maximising the trinomial likelihood."""
    lo, hi = max(0.0, -delta), (1 - delta) / 2

    def negative_log_likelihood(q):
        terms = 0.0
        for count, prob in ((b, q), (c, q + delta), (n - b - c, 1 - 2 * q - delta)):
            if count:
                terms += count * np.log(prob) if prob > 0 else -np.inf
        return -terms

    grid = np.linspace(lo, hi, 401)
    best = int(np.argmin([negative_log_likelihood(q) for q in grid]))
    found = scipy.optimize.minimize_scalar(
        negative_log_likelihood, bounds=(grid[max(best - 1, 0)], grid[min(best + 1, 400)]), method="bounded",
        options={"xatol": 1e-14})
    q = found.x
    return (c - b - n * delta) / np.sqrt(n * (2 * q + delta - delta * delta))


out["tango"] = []
for b, c, n in [(2, 9, 44), (9, 2, 44), (5, 5, 50), (0, 3, 40), (1, 0, 96), (30, 12, 1000), (110, 47, 960)]:
    z = scipy.stats.norm.ppf(0.975)
    estimate = (c - b) / n
    low = scipy.optimize.brentq(lambda d: tango_z(b, c, n, d) - z, -1 + 1e-6, estimate - 1e-9, xtol=1e-12)
    high = scipy.optimize.brentq(lambda d: tango_z(b, c, n, d) + z, estimate + 1e-9, 1 - 1e-6, xtol=1e-12)
    out["tango"].append({"b": b, "c": c, "n": n, "low": low, "high": high})

p = [0.01, 0.04, 0.03, 0.005, 0.5, 0.5, 1.0, 0.0002, 0.03]
out["adjusted"] = {
    "p": p,
    "holm": sm_multi.multipletests(p, method="holm")[1].tolist(),
    "bh": sm_multi.multipletests(p, method="fdr_bh")[1].tolist(),
}


def cr2(values, cluster):
    n = len(values)
    x = np.ones((n, 1))
    hat = x @ np.linalg.inv(x.T @ x) @ x.T
    mean = values.mean()
    residual = values - mean
    variance, columns = 0.0, []
    for g in np.unique(cluster):
        rows = np.flatnonzero(cluster == g)
        w, v = np.linalg.eigh(np.eye(len(rows)) - hat[np.ix_(rows, rows)])
        adjust = v @ np.diag(w ** -0.5) @ v.T
        a = adjust @ np.ones(len(rows)) / n
        variance += (a @ residual[rows]) ** 2
        columns.append((np.eye(n) - hat)[:, rows] @ a)
    q = np.array(columns)
    omega = q @ q.T
    return mean, np.sqrt(variance), np.trace(omega) ** 2 / np.sum(omega ** 2)


def clustered(sizes, spread):
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    values = np.round(rng.normal(0.1, 1, len(cluster)) + spread * rng.normal(size=len(sizes))[cluster], 3)
    return values, cluster


out["cr2"], out["icc"] = [], []
for sizes, spread in [([3, 5, 2, 8], 0.5), ([1] * 12, 0.0), ([8, 16, 32, 40, 4, 4, 100], 0.3), ([12] * 10, 1.0)]:
    values, cluster = clustered(sizes, spread)
    mean, error, dof = cr2(values, cluster)
    t = scipy.stats.t(dof)
    out["cr2"].append({
        "values": values.tolist(), "cluster": cluster.tolist(), "mean": mean, "standard_error": error, "dof": dof,
        "p": 2 * t.sf(abs(mean / error)), "low": mean - t.ppf(0.975) * error, "high": mean + t.ppf(0.975) * error})
    if max(sizes) > 1:
        frame = pd.DataFrame({"y": values, "g": cluster.astype(str)})
        table = sm_anova.anova_lm(smf.ols("y ~ C(g)", frame).fit())
        between, within = table["mean_sq"]
        k, n = len(sizes), len(values)
        n0 = (n - sum(s * s for s in sizes) / n) / (k - 1)
        out["icc"].append({"case": len(out["cr2"]) - 1, "icc": (between - within) / (between + (n0 - 1) * within)})

out["sign_flip"] = []
for sizes in ([4, 9, 3, 3, 12, 7], [5, 8, 2, 30, 4, 6, 6, 11, 3, 9]):
    sizes = np.array(sizes, float)
    sums = np.round(rng.normal(0.25 * sizes, np.sqrt(sizes)), 3)

    def p_value(mean):
        return scipy.stats.permutation_test(
            (sums - mean * sizes,), lambda x, axis: x.sum(axis=axis), permutation_type="samples", vectorized=True,
            n_resamples=np.inf, alternative="two-sided").pvalue

    estimate = sums.sum() / sizes.sum()

    def end(outside):
        inside = estimate
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if p_value(middle) > 0.05 else (inside, middle)
        return inside

    out["sign_flip"].append({"sums": sums.tolist(), "sizes": sizes.tolist(), "p": float(p_value(0.0)),
                             "low": end(estimate - 10), "high": end(estimate + 10)})

webb = np.array([-np.sqrt(1.5), -1, -np.sqrt(0.5), np.sqrt(0.5), 1, np.sqrt(1.5)])
values, cluster = clustered([3, 7, 4, 12, 5], 0.4)
member = (cluster[None, :] == np.arange(5)[:, None]).astype(float)


def t_statistic(y, null):  # y: [draws, items]
    mean = y.mean(axis=1, keepdims=True)
    meat = (((y - mean) @ member.T) ** 2).sum(axis=1) * 5 / 4
    return (mean[:, 0] - null) / (np.sqrt(meat) / y.shape[1])


weights = np.array(list(itertools.product(webb, repeat=5)))[:, cluster]


def wild_p(null):
    t = t_statistic(values[None, :], null)[0]
    star = t_statistic(null + weights * (values - null), null)
    return float(np.mean(np.abs(star) >= abs(t) * (1 - 1e-12)))


def wild_end(direction):
    inside, outside = values.mean(), values.mean() + direction * 20
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if wild_p(middle) > 0.05 else (inside, middle)
    return float(inside)


out["wild"] = {"values": values.tolist(), "cluster": cluster.tolist(), "p": wild_p(0.0), "low": wild_end(-1), "high": wild_end(1)}

a = np.round(rng.normal(0.02, 0.1, 40), 4)
out["tost"] = [{"values": a.tolist(), "margin": m,
                "p": float(sm_weight.ttost_paired(a, np.zeros(40), -m, m)[0])} for m in (0.03, 0.05, 0.06, 0.08)]


def jackknife(rows, statistic):
    without = np.array([statistic(rows.sum(0) - rows[g]) for g in range(len(rows))])
    k = len(rows)
    return np.sqrt((k - 1) / k * ((without - without.mean()) ** 2).sum())


def bootstrap_t(rows, statistic):
    value, error = statistic(rows.sum(0)), jackknife(rows, statistic)
    t = []
    for _ in range(20000):
        sample = rows[rng.integers(0, len(rows), len(rows))]
        t.append((statistic(sample.sum(0)) - value) / jackknife(sample, statistic))
    low, high = np.quantile(t, [0.025, 0.975])
    return {"rows": rows.tolist(), "value": float(value), "standard_error": float(error),
            "low": float(value - high * error), "high": float(value - low * error)}


size = rng.integers(5, 40, 25).astype(float)
base, variant = rng.gamma(4, 0.7, 25), rng.gamma(4, 0.75, 25)
out["bootstrap_t"] = {
    "log_ratio": bootstrap_t(np.round(np.stack([base * size, size, (base + 0.2 * variant) * size, size], 1), 3),
                             lambda s: np.log(s[2] / s[3]) - np.log(s[0] / s[1])),
    "bias": bootstrap_t(np.stack([rng.integers(2, 9, 25), rng.integers(9, 13, 25), rng.integers(1, 5, 25)], 1).astype(float),
                        lambda s: (1 - s[2] / s[1]) * (2 * s[0] / s[1] - 1)),
}
print(json.dumps(out, indent=None, separators=(",", ":")).replace('],"', '],\n"').replace('},{', '},\n{'))
