"""
ROC curves and the confusion matrix
===================================

scikit-learn's displays and scores take the classifier as it is.
"""

# %%
import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import load_samples

samples = load_samples()
X, y = samples.data, samples.target_names[samples.target]
X_fit, X_test, y_fit, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
pipeline = make_pipeline(ResidualTransformer(channels="rgb"), FingerprintClassifier())
scores = pipeline.fit(X_fit, y_fit).decision_function(X_test)

# %%
# One source against all others: how well does the correlation with its fingerprint rank its own
# images first?
figure, axis = plt.subplots(figsize=(5.5, 5), layout="constrained")
for column, source in enumerate(pipeline.classes_):
    auc = roc_auc_score(y_test == source, scores[:, column])
    print(f"{source:<22} AUC {auc:.3f}")
    RocCurveDisplay.from_predictions(y_test == source, scores[:, column], name=source, ax=axis)

# %%
# Which sources are taken for which?
figure, axis = plt.subplots(figsize=(6.5, 5.5), layout="constrained")
ConfusionMatrixDisplay.from_estimator(
    pipeline, X_test, y_test, normalize="true", values_format=".2f", xticks_rotation=45, ax=axis
)
plt.show()
