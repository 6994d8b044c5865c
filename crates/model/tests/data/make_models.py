#!/usr/bin/env python3
"""Makes the models and tables that tests/it/libraries.rs reads. Run by hand; CI only reads what it made:

    python3 -m venv /tmp/models && /tmp/models/bin/pip install --require-hashes -r requirements.txt
    /tmp/models/bin/python make_models.py

Everything is trained on data from one seed. NAME.json is the model as its library saves it; NAME.csv has one row of
inputs a line, `missing` where there is none, and the library's own raw margin in the last column. Rows hold values at
every threshold and around it: the neighbours in f64, and for XGBoost, which rounds inputs to f32, the values where
that rounding turns. refused/ has models of kinds that the importer must refuse.
"""

import csv
import json
import math
import pathlib

import lightgbm
import numpy
import xgboost

SEED = 20260901
HERE = pathlib.Path(__file__).parent
NAMES = ["amount", "age_s", "count_1h", "score", "ratio"]
ROWS = 600
# Rows of a table that are like the training data, and at most so many at thresholds.
PLAIN, AT_THRESHOLDS = 60, 140


def data(random, holes):
    """Inputs as a risk model has them, and a target that needs interactions and missing values."""
    rows = numpy.empty((ROWS, len(NAMES)))
    rows[:, 0] = random.lognormal(4, 1.5, ROWS).round(2)
    rows[:, 1] = random.exponential(3600, ROWS).round(1)
    rows[:, 2] = random.integers(0, 25, ROWS)
    rows[:, 3] = random.normal(0, 1, ROWS).round(4)
    rows[:, 4] = numpy.where(random.random(ROWS) < 0.4, 0, random.random(ROWS).round(3) - 0.5)
    margin = 0.004 * rows[:, 0] + 0.15 * rows[:, 2] - 2 + rows[:, 3] * (rows[:, 1] < 1800) + 2 * rows[:, 4]
    if holes:
        gone = random.random(rows.shape) < 0.12
        margin += gone[:, 3] * 1.5
        rows[gone] = math.nan
    noise = random.logistic(0, 0.5, ROWS)
    return rows, margin + noise


def around(threshold, rounds):
    """Values at a threshold and next to it, where a comparison may turn."""
    near = [threshold, math.nextafter(threshold, -math.inf), math.nextafter(threshold, math.inf)]
    if rounds:
        single = numpy.float32(threshold)
        for toward in (-numpy.inf, numpy.inf):
            other = numpy.nextafter(single, numpy.float32(toward))
            middle = (float(single) + float(other)) / 2
            near += [float(other), middle, math.nextafter(middle, -math.inf), math.nextafter(middle, math.inf)]
    return near


def table(random, rows, thresholds, rounds):
    """Rows like the training data, then rows with one value at a threshold of its feature."""
    picked = [rows[at].copy() for at in random.choice(ROWS, PLAIN, replace=False)]
    exact = [(feature, value) for feature, at in sorted(thresholds) for value in around(at, rounds)]
    random.shuffle(exact)
    for feature, value in exact[:AT_THRESHOLDS]:
        row = rows[random.integers(ROWS)].copy()
        row[int(feature)] = value
        picked.append(row)
    for odd in (0.0, -0.0, 5e-36, -5e-36, 1.0000000180025095e-35, 1e-34, -1e-34, 1e300 if not rounds else 1e38):
        picked.append(numpy.full(len(NAMES), odd))
    picked.append(numpy.full(len(NAMES), math.nan))
    return numpy.array(picked)


def write(name, text, rows, margins):
    """The model, and its table with every digit."""
    (HERE / f"{name}.json").write_text(text.rstrip("\n") + "\n")
    with (HERE / f"{name}.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*NAMES, "margin"])
        for row, margin in zip(rows, margins):
            out.writerow(["missing" if math.isnan(value) else repr(float(value)) for value in row] + [repr(float(margin))])


def xgb(name, random, holes, rounds, kinds=None, **params):
    """One XGBoost model."""
    rows, target = data(random, holes)
    label = (target > 0).astype(int) if params["objective"].startswith("binary") else target * 1000
    matrix = xgboost.DMatrix(rows, label=label, feature_names=NAMES, feature_types=kinds)
    booster = xgboost.train({"seed": SEED, "nthread": 1, **params}, matrix, rounds)
    text = bytes(booster.save_raw("json")).decode()
    thresholds = set()
    for tree in json.loads(text)["learner"]["gradient_booster"]["model"]["trees"]:
        for left, feature, at in zip(tree["left_children"], tree["split_indices"], tree["split_conditions"]):
            if left != -1:
                thresholds.add((feature, float(numpy.float32(at))))
    inputs = table(random, rows, thresholds, True)
    if kinds:
        # The type says integers; only such are passed, large ones among them.
        inputs[:, 2] = numpy.round(inputs[:, 2])
        inputs[:4, 2] = [2**24 + 1, 2**24 + 3, -(2**24) - 1, 2**53]
    asked = xgboost.DMatrix(inputs, feature_names=NAMES, feature_types=kinds)
    write(name, text, inputs, booster.predict(asked, output_margin=True))


def lgb(name, random, holes, rounds, **params):
    """One LightGBM model."""
    rows, target = data(random, holes)
    label = (target > 0).astype(int) if params["objective"] == "binary" else target
    fixed = {"seed": SEED, "num_threads": 1, "deterministic": True, "verbose": -1, "min_data_in_leaf": 5}
    booster = lightgbm.train({**fixed, **params}, lightgbm.Dataset(rows, label=label, feature_name=NAMES), rounds)
    model = booster.dump_model()
    thresholds = set()

    def walk(node):
        if "split_feature" in node:
            thresholds.add((node["split_feature"], float(node["threshold"])))
            walk(node["left_child"])
            walk(node["right_child"])

    for tree in model["tree_info"]:
        walk(tree["tree_structure"])
    inputs = table(random, rows, thresholds, False)
    write(name, json.dumps(model), inputs, booster.predict(inputs, raw_score=True))


def refused(random):
    """Kinds of models that are not imported, each as small as its library makes it."""
    folder = HERE / "refused"
    folder.mkdir(exist_ok=True)
    rows, target = data(random, False)
    label, classes = (target > 0).astype(int), numpy.digitize(target, [-1, 1])
    small = {"max_depth": 1, "nthread": 1, "seed": SEED}

    def save_xgb(name, params, y, kinds=None):
        matrix = xgboost.DMatrix(rows, label=y, feature_types=kinds, enable_categorical=kinds is not None)
        text = bytes(xgboost.train({**small, **params}, matrix, 1).save_raw("json")).decode()
        (folder / f"{name}.json").write_text(text + "\n")

    save_xgb("xgb-dart", {"objective": "binary:logistic", "booster": "dart"}, label)
    save_xgb("xgb-linear", {"objective": "binary:logistic", "booster": "gblinear", "max_depth": 0}, label)
    save_xgb("xgb-classes", {"objective": "multi:softprob", "num_class": 3}, classes)
    save_xgb("xgb-poisson", {"objective": "count:poisson"}, label)
    kinds = ["q", "q", "c", "q", "q"]
    rows[:, [0, 1, 3, 4]] = 0
    save_xgb("xgb-categorical", {"objective": "binary:logistic", "max_cat_to_onehot": 1}, rows[:, 2] % 3 == 0, kinds)

    def save_lgb(name, params, y, **more):
        fixed = {"verbose": -1, "num_threads": 1, "num_leaves": 2, "seed": SEED}
        given = lightgbm.Dataset(rows, label=y, **more)
        (folder / f"{name}.json").write_text(json.dumps(lightgbm.train({**fixed, **params}, given, 1).dump_model()) + "\n")

    save_lgb("lgb-categorical", {"objective": "binary"}, rows[:, 2] % 3 == 0, categorical_feature=[2])
    save_lgb("lgb-classes", {"objective": "multiclass", "num_class": 3}, classes)
    save_lgb("lgb-sigmoid", {"objective": "binary", "sigmoid": 2.0}, label)
    forest = {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    save_lgb("lgb-forest", forest, label)
    save_lgb("lgb-linear", {"objective": "regression", "linear_tree": True}, target)


def main():
    """Every file, always the same."""
    part = iter(numpy.random.default_rng(SEED).spawn(8))
    logistic = "binary:logistic"
    kinds = ["float", "float", "int", "float", "q"]
    xgb("xgb-logistic", next(part), True, 12, objective=logistic, max_depth=3, eta=0.3, max_bin=32)
    xgb("xgb-integers", next(part), True, 5, kinds, objective=logistic, max_depth=3, base_score=0.9, tree_method="exact")
    xgb("xgb-regression", next(part), False, 6, objective="reg:squarederror", max_depth=3)
    lgb("lgb-binary", next(part), True, 8, objective="binary", num_leaves=7)
    lgb("lgb-zero", next(part), True, 6, objective="binary", num_leaves=7, zero_as_missing=True)
    lgb("lgb-none", next(part), True, 6, objective="binary", num_leaves=7, use_missing=False)
    lgb("lgb-deep", next(part), False, 3, objective="regression", num_leaves=20, min_data_in_leaf=2)
    refused(next(part))


if __name__ == "__main__":
    main()
