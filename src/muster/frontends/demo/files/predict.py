"""What a service does: load the model that is in production, and predict."""

from sklearn.datasets import load_diabetes

import muster

model = muster.load("diabetes/production", "../server.git")
patients, _ = load_diabetes(return_X_y=True)
print(f"{model} predicts {model.predict(patients[:3]).round(1).tolist()}")
