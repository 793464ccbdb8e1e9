"""
Choosing a denoiser by cross-validation
=======================================

The paper leaves the denoiser open. A denoiser is a parameter object here, so that a grid search
goes over denoisers and over their parameters at once.
"""

# %%
# Residuals are what the time goes to. Those of images that come again are kept, so that all folds,
# and all settings of the classifier behind them, share them.
import matplotlib.pyplot as plt
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.denoisers import GaussianDenoiser, WaveletDenoiser

samples = load_samples()
X, y = samples.data, samples.target_names[samples.target]
X_fit, X_test, y_fit, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

grid = [
    {
        "residual__denoiser": [WaveletDenoiser()],
        "residual__denoiser__sigma": [2.0, 5.0],
        "fingerprint__metric": ["correlation", "euclidean"],
    },
    {"residual__denoiser": [GaussianDenoiser(), "median"]},
]
pipeline = Pipeline([("residual", ResidualTransformer()), ("fingerprint", FingerprintClassifier())])
folds = StratifiedKFold(3, shuffle=True, random_state=0)
search = GridSearchCV(pipeline, grid, cv=folds).fit(X_fit, y_fit)

# %%
# The test half was not used for the choice, so its accuracy is an honest one.
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for parameters, mean, spread in zip(
    search.cv_results_["params"],
    search.cv_results_["mean_test_score"],
    search.cv_results_["std_test_score"],
    strict=True,
):
    settings = ", ".join(f"{name.split('__')[-1]} {value}" for name, value in parameters.items())
    print(f"{mean:.3f} +- {spread:.3f}  {settings}")
    axis.barh(settings, mean, xerr=spread, color="tab:blue")
axis.invert_yaxis()
axis.set_xlabel("accuracy by cross-validation")
print(f"chosen: {search.best_params_}")
print(f"accuracy on the test half: {search.score(X_test, y_test):.3f}")
plt.show()
