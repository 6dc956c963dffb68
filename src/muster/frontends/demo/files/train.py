"""Train three models on scikit-learn's bundled diabetes data, and measure each on data it has not seen."""

import json
from pathlib import Path

import skops.io
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

inputs, progression = load_diabetes(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(inputs, progression, test_size=0.25, random_state=7)
results = {}
for name, alpha in (("first", 10.0), ("second", 1.0), ("third", 0.1)):
    model = Ridge(alpha=alpha).fit(x_train, y_train)
    predicted = model.predict(x_test)
    rmse, r2 = mean_squared_error(y_test, predicted) ** 0.5, r2_score(y_test, predicted)
    results[name] = {"alpha": alpha, "rmse": round(rmse, 2), "r2": round(r2, 3)}
    Path(name).mkdir(exist_ok=True)
    skops.io.dump(model, f"{name}/model.skops")
    print(f"{name}/model.skops: Ridge(alpha={alpha:g}), rmse={rmse:.2f}, r2={r2:.3f}")
Path("results.json").write_text(json.dumps(results, indent=2))
