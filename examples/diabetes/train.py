"""Trains the example model: disease progression from the body mass index, on the diabetes data of scikit-learn.

The data is part of scikit-learn, so nothing is downloaded. Its features are centred and scaled (norm 1); a body mass
index of 0.05 is well above average.
"""

import sys
from pathlib import Path
from typing import Final

import joblib
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

FEATURE: Final = "bmi"


def train() -> LinearRegression:
    """Return a linear regression on all 442 rows with one feature, the scaled body mass index."""
    data = load_diabetes()
    column = data.feature_names.index(FEATURE)
    return LinearRegression().fit(data.data[:, [column]], data.target)


def main(destination: Path) -> None:
    """Train, store the model at `destination` and print its prediction for a known input."""
    model = train()
    joblib.dump(model, destination)
    print(f"{destination}: prediction for {FEATURE}=0.05 is {model.predict([[0.05]])[0]:.1f}")  # noqa: T201 - a script


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "model.joblib"))
