"""scikit-learn: what goes on from merged values takes part, all else is told what to use."""

import copy
import pickle

import numpy as np
import pytest

from swarmhub.errors import TrainerError
from swarmhub.train.adapters import Parameters, adapt

pytest.importorskip("sklearn")
from sklearn import linear_model as linear
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
Y = (X @ [2.0, -1.0, 0.5] > 0).astype(int)


def sgd(**settings):
    return linear.SGDClassifier(loss="log_loss", random_state=0, **settings)


def layout(model):
    return Parameters(adapt(model), ()).layout()


def test_a_linear_model_passes_through_a_file(tmp_path):
    source, target = sgd().fit(X, Y), sgd().fit(X, 1 - Y)
    form = Parameters(adapt(source), ()).write(tmp_path / "b")
    Parameters(adapt(target), ()).read(tmp_path / "b", form.digest)
    np.testing.assert_array_equal(target.coef_, source.coef_)
    np.testing.assert_array_equal(target.predict(X), source.predict(X))


def test_a_model_whose_intercept_is_a_number_keeps_it_one(tmp_path):
    source = linear.ElasticNet(alpha=0.01, warm_start=True).fit(X, Y)
    target = copy.deepcopy(source)
    target.coef_, target.intercept_ = np.zeros(3), 0.0
    form = Parameters(adapt(source), ()).write(tmp_path / "b")
    Parameters(adapt(target), ()).read(tmp_path / "b", form.digest)
    assert (np.shape(target.intercept_), target.intercept_) == ((), source.intercept_)
    assert target.fit(X, Y).predict(X).shape == (60,)


GOES_ON = [
    sgd(), sgd(warm_start=True), linear.SGDRegressor(), linear.Perceptron(),
    linear.Perceptron(warm_start=True), linear.HuberRegressor(warm_start=True),
    linear.PoissonRegressor(warm_start=True), linear.Lasso(alpha=0.01, warm_start=True),
    *(linear.LogisticRegression(warm_start=True, solver=s)
      for s in ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")),
]  # fmt: skip


def train_from(model, value):
    """One short training from coefficients that are all `value`."""
    model = copy.deepcopy(model)
    if "max_iter" in model.get_params():
        model.set_params(max_iter=1)
    start = np.full_like(model.coef_, value)
    adapt(model).load({"coef_": start, "intercept_": np.asarray(model.intercept_) * 0 + value})
    train = model.fit if getattr(model, "warm_start", False) else model.partial_fit
    return train(X, Y).coef_


@pytest.mark.process
@pytest.mark.filterwarnings("ignore")  # it does not converge in one iteration
@pytest.mark.parametrize("model", GOES_ON, ids=str)
def test_what_takes_part_goes_on_from_merged_values(model):
    model.fit(X, Y)
    assert not np.allclose(train_from(model, 0.0), train_from(model, 5.0))


FORGETS = {
    "make it with warm_start=True": [linear.LogisticRegression(), linear.Lasso(alpha=0.01)],
    "use SGDClassifier with partial_fit": [
        LinearSVC(), linear.RidgeClassifier(), linear.LogisticRegressionCV(),
        LinearDiscriminantAnalysis(),
    ],
    "use SGDRegressor with partial_fit": [
        linear.LinearRegression(), linear.Ridge(), linear.RidgeCV(), linear.LassoCV(),
    ],
    "average=False": [sgd(average=True), sgd(average=10)],
    "use another solver": [linear.LogisticRegression(solver="liblinear", warm_start=True)],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("use", "model"), [(use, m) for use, models in FORGETS.items() for m in models], ids=str
)
def test_what_forgets_is_told_what_to_use(use, model):
    with pytest.raises(TrainerError, match=f"^{type(model).__name__}.*forgets.*{use}"):
        adapt(model.fit(X, Y))


OTHERS = [
    (SVC(kernel="linear"), "computed from its support vectors"),
    (SVC(), "a fitted SVC has no coef_"),
    (RandomForestClassifier(2), "has no coef_ and intercept_; use SGDClassifier"),
    (make_pipeline(StandardScaler(), sgd()), "give its last step"),
    (GridSearchCV(sgd(), {"alpha": [0.1]}, cv=2), "best_estimator_"),
    (MLPClassifier((2,), max_iter=1), "coefs_"),
    (linear.SGDOneClassSVM(), "has no intercept_"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("model", "sentence"), OTHERS, ids=str)
def test_what_is_no_linear_model_is_told_why(model, sentence):
    with pytest.raises(TrainerError, match=sentence):
        adapt(model.fit(X, Y))


def test_a_model_that_was_never_fitted_is_told_so():
    with pytest.raises(TrainerError, match="fit it once"):
        adapt(sgd())


def test_a_fit_that_begins_anew_is_refused_in_a_round():
    model = sgd().fit(X, Y)
    with Parameters(adapt(model), ()).watch_training():
        model.partial_fit(X, Y)
        with pytest.raises(TrainerError, match="call partial_fit"):
            model.fit(X, Y)
        pickle.loads(pickle.dumps(model)).fit(X, Y)  # what was saved meanwhile is free
        model.set_params(warm_start=True).fit(X, Y)
    model.set_params(warm_start=False).fit(X, Y)


def test_classes_and_columns_are_part_of_the_form():
    forms = [layout(sgd().fit(X, Y)), layout(sgd().fit(X, np.array(["ill", "well"])[Y]))]
    for columns in (["age", "bmi", "crp"], ["crp", "age", "bmi"]):
        model = sgd().fit(X, Y)
        model.feature_names_in_ = np.array(columns, dtype=object)
        forms.append(layout(model))
    assert len({form.digest for form in forms}) == 4


def test_equal_classes_of_another_type_are_the_same_classes():
    forms = [layout(sgd().fit(X, Y.astype(kind))) for kind in ("i8", "i4", "f8", "?")]
    assert len({form.digest for form in forms}) == 1
    assert forms[0].digest != layout(sgd().fit(X, Y.astype(str))).digest
