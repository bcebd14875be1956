"""check/notebook/hints.py, code.py: what the code says has its place, what is unclear isn't said.

Each case is section 3's code with one change, and names what that alters: all else stays.
"""

import pytest
from published_numbers import cells

from check.notebook import Settings
from check.notebook.code import Code
from check.notebook.hints import Said, hints_of
from check.notebook.runs import Start
from check.notebook.search import Found

SECTION_3 = [cell.code for cell in cells("03_train")[:3]]
TUTORIAL = dict(weight=0.7, bias=0.3, X="arange(0, 1, 0.02)", split=0.8, seed=42, loss="L1Loss")
TUTORIAL |= dict(optimizer="SGD", lr=0.01, momentum=0.0, epochs=100, parameters=["randn", "randn"])
TUTORIAL |= dict(model="LinearRegressionModel", zero_grad=True, train="train", test="test")
STEP, BACK = "    optimizer.step()\n", "    loss.backward()\n"
ZERO, PREDICT = "    optimizer.zero_grad()\n", "    y_pred = model_0(X_train)\n"
MADE = "model_0 = LinearRegressionModel()\n"
LINE, DATA = "self.weights * x + self.bias", "y = weight * X + bias"
TEST_LOSS = "loss_fn(test_pred, y_test.type(torch.float))"
AFTER = "    loss = loss_fn(model_0(X_train), y_train)\n"


def no_step(words):
    return {"trains": "nothing", "no step": words}


BETWEEN = no_step("a zero_grad() between backward() and the next step()")
PRINTED = "MAE Train Loss: {loss} | MAE Test Loss: {test_loss}"
SLICES = [
    ("X_train, y_train = X[:", "X_test, y_test = X[:"),
    ("X_test, y_test = X[train", "X_train, y_train = X[train"),
]
CASES = {
    "nothing": ([], {}),
    "two steps": ([(STEP, STEP * 2)], dict(steps=2)),
    "a step in some epochs": (
        [(STEP, f"    if epoch % 10 == 0:\n    {STEP}")],
        {"step if": "epoch % 10 == 0"},
    ),
    "no step": ([(STEP, "\n")], no_step("a missing step()")),
    "no brackets": (
        [(STEP, "    optimizer.step\n")],
        no_step("an optimizer.step without its brackets"),
    ),
    "step before backward": ([(STEP, ""), (BACK, STEP + BACK)], BETWEEN),
    "zeroed before the step": ([(STEP, ZERO + STEP)], BETWEEN),
    "zeroed after the step": ([(ZERO, ""), (STEP, STEP + ZERO)], {}),
    "never zeroed": ([(ZERO, "")], {"zero_grad": False, "never zeroed": True}),
    "zeroed in some epochs": (
        [(ZERO, f"    if epoch < 5:\n    {ZERO}")],
        dict(zero_grad=None),
    ),
    "y_pred made once": (
        [(PREDICT, ""), ("for epoch", "y_pred = model_0(X_train)\nfor epoch")],
        {"y_pred once": "y_pred", "train": None},
    ),
    "made anew": (
        [(PREDICT, f"    {MADE}{PREDICT}")],
        {"model anew": "LinearRegressionModel"},
    ),
    "train loss after the step": ([(STEP, STEP + AFTER)], dict(train="train after")),
    "X_train": ([("y_pred, y_train", "y_pred, X_train")], dict(train="X_train")),
    "trained on the test set": (
        [("model_0(X_train)", "model_0(X_test)"), ("y_pred, y_train", "y_pred, y_test")],
        dict(train=None, swapped=True),
    ),
    "sets exchanged": (SLICES, dict(swapped=True)),
    "X_test": ([(TEST_LOSS, "loss_fn(test_pred, X_test)")], dict(test="X_test")),
    "y_test holds X_test": (
        [("X[train_split:], y[train_split:]", "X[train_split:], X[train_split:]")],
        dict(test="X_test"),
    ),
    "tested on a copy of the training set": (
        [(MADE, f"{MADE}X_test, y_test = X_train.to('cpu'), y_train.clone()\n")],
        dict(test="train after"),
    ),
    "the line is drawn": (
        [("weight = 0.7", "weight = torch.rand(1).item()")],
        dict(weight=None, untried=["a line that is drawn at random"]),
    ),
    "parameters in float16": (
        [("dtype=torch.float)", "dtype=torch.float16)")],
        dict(untried=["float16"] * 2),
    ),
    "itself": ([(TEST_LOSS, "loss_fn(test_pred, test_pred)")], dict(test="itself")),
    "test before the step": (
        [(STEP, ""), ("    if epoch % 10", f"{STEP}    if epoch % 10")],
        dict(test="test before"),
    ),
    "tested on the training set": (
        [(TEST_LOSS, "loss_fn(y_pred, y_train)")],
        dict(test="train"),
    ),
    "tested on the training set, and printed elsewhere": (
        [(TEST_LOSS, "loss_fn(y_pred, y_train)"), ("print(", "log(")],
        dict(test="train"),
    ),
    "one loss printed twice": (
        [(PRINTED, PRINTED.replace("test_loss", "loss"))],
        dict(test="train"),
    ),
    "losses exchanged": (
        [
            (
                PRINTED,
                PRINTED.replace("loss}", "l}")
                .replace("test_l}", "loss}")
                .replace("{l}", "{test_loss}"),
            )
        ],
        dict(train="test", test="train"),
    ),
    "losses exchanged, by other names": (
        [
            (STEP, f"{STEP}    l = float(loss.item())\n"),
            (PRINTED, "MAE Train Loss: {test_loss} | MAE Test Loss: {l}"),
        ],
        dict(train="test", test="train"),
    ),
    "losses exchanged, one of them halved": (
        [(PRINTED, "MAE Train Loss: {test_loss / 2} | MAE Test Loss: {loss}")],
        {},
    ),
    "another loss under the old name": (
        [
            (STEP, f"{STEP}    train_loss = loss\n{AFTER}"),
            (PRINTED, "MAE Train Loss: {train_loss} | MAE Test Loss: {test_loss}"),
        ],
        {},
    ),
    "all points": (
        [
            ("model_0(X_train)", "model_0(X)"),
            ("y_pred, y_train", "y_pred, y"),
            (BACK, f"    l = loss.item()\n{BACK}"),  # the same loss, which is said once
        ],
        dict(train=None, untried=["a training on all points, those of the test too"]),
    ),
    "exchanged in forward": ([(LINE, "self.bias * x + self.weights")], dict(exchanged=True)),
    "the line's weight": ([(LINE, "weight * x + self.bias")], dict(trains="bias")),
    "the line's bias": ([(LINE, "bias + x * self.weights")], dict(trains="weight")),
    "one parameter": ([("model_0.parameters()", "[model_0.weights]")], dict(trains="weight")),
    "both parameters": (
        [("model_0.parameters()", "[model_0.weights, model_0.bias]")],
        {},
    ),
    "RMSprop": (
        [("SGD", "RMSprop")],
        dict(untried=["RMSprop"], optimizer=None, lr=None, momentum=None),
    ),
    "weight_decay": (
        [("lr=0.01", "lr=0.01, weight_decay=0.1")],
        dict(untried=["weight_decay=0.1"]),
    ),
    "reduction": ([("L1Loss()", "L1Loss(reduction='sum')")], dict(untried=["reduction='sum'"])),
    "noise": ([(DATA, f"{DATA} + torch.randn(50, 1)")], dict(untried=["noise"])),
    "labels (n,)": (
        [(DATA, f"y = ({DATA[4:]}).squeeze()")],
        dict(untried=["labels of shape (n,), as in docs/breaking.md, 9"]),
    ),
    "float16": ([(MADE, f"{MADE}model_0.half()\n")], dict(untried=["float16"])),
    "float64": (
        [("arange(0, 1, 0.02)", "arange(0, 1, 0.02, dtype=torch.float64)")],
        dict(dtype="float64"),
    ),
    "on a GPU": (
        [(MADE, f"with torch.device('cuda'):\n    {MADE}")],
        dict(device="cuda"),
    ),
    "batches": (
        [(PREDICT, f"    for X_train, y_train in loader:\n        loss.backward()\n{PREDICT}")],
        dict.fromkeys(["zero_grad", "train", "test"]),
    ),
    "batches alone": (
        [("for epoch in range(epochs):", "for epoch, (X, y) in enumerate(loader):")],
        dict.fromkeys(["zero_grad", "train", "test"]),
    ),
}


def changed(edits):
    codes = SECTION_3
    for old, new in edits:
        assert any(old in code for code in codes), old
        codes = [code.replace(old, new) for code in codes]
    return codes


def last(codes):
    """Return what is said last of each key, but all that isn't tried."""
    places = hints_of(codes)[1]
    found = {key: said[-1].value for key, said in places.items() if key != "untried"}
    untried = [said.value for said in places.get("untried", ())]
    return found | ({"untried": untried} if untried else {})


@pytest.mark.parametrize("name", CASES)
def test_one_change_alters_what_it_says_and_nothing_else(name):
    edits, altered = CASES[name]
    expected = {key: value for key, value in (TUTORIAL | altered).items() if value is not None}
    assert last(changed(edits)) == expected


def test_section_6_says_its_own_values():
    found = last([cell.code for cell in cells("06_all_together")])
    own = {"model": "LinearRegressionModelV2", "parameters": ["Linear"], "epochs": 1000}
    assert found == TUTORIAL | own


def test_all_that_is_said_of_a_key_is_kept_with_its_place():
    codes = ["lr = 0.1\n\n%pip install x\nSGD(p, lr=lr)", "this is no Python", "!ls\nAdam(p, 1e-3)"]
    hints, places = hints_of(codes)
    assert hints == dict(optimizer="Adam", lr=0.001, momentum=0.0)
    assert places["lr"] == [Said(0.1, 1, 4, "lr=lr"), Said(0.001, 3, 2, "Adam(p, 0.001)")]


SPOKEN = {
    "weight, bias = -1.7, 0.4": dict(weight=-1.7, bias=0.4),
    "true_weight = 7 / 10": dict(weight=0.7),
    "w = torch.tensor(0.7)": dict(w=0.7),
    "w = torch.tensor(0.0, requires_grad=True)": {},
    "weight = 1 / 0": {},
    "weight = unknown / 2": {},
    "start, end = 0, 3\nX = torch.arange(start, end, step=0.05)": dict(X="arange(0, 3, 0.05)"),
    "X = torch.linspace(0, 1, 50)": dict(X="linspace(0, 1, 50)"),
    "torch.manual_seed(seed=7)": dict(seed=7),
    "torch.cuda.manual_seed(7)": {},
    "n = int(len(X) * 0.65)": dict(split=0.65),
    "SGD(p, 0.03, 0.5)": dict(optimizer="SGD", lr=0.03, momentum=0.5),
    "num_epochs = 20": dict(epochs=20),
    "model = nn.Linear(1, 1)": dict(parameters=["Linear"]),
}


@pytest.mark.parametrize("code", SPOKEN)
def test_numbers_are_read_in_the_forms_that_people_write(code):
    assert hints_of([code])[0] == SPOKEN[code]


FUNCTION = """
def train_step(model, data, labels):
    y_pred = model(data)
    loss = loss_fn(y_pred, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

for epoch in range(70):
    train_step(model_0, X_train, LABELS)
"""


@pytest.mark.parametrize(("labels", "kind"), [("y_train", "train"), ("X_train", "X_train")])
def test_a_function_is_read_where_the_loop_calls_it(labels, kind):
    found = last([FUNCTION.replace("LABELS", labels)])
    assert found == dict(zero_grad=True, train=kind)


@pytest.mark.parametrize("zero", ["w.grad.zero_()", "w.grad = None", "pass"])
def test_an_update_by_hand_is_a_step(zero):
    code = f"for epoch in range(9):\n    l.backward()\n    w -= 0.1 * w.grad\n    {zero}\n"
    assert last([code])["zero_grad"] == (zero != "pass")


def found(start=None, **fields):
    return Found(Settings(**fields), 10, start=start)


def test_the_code_says_a_value_is_silent_or_contradicts_it():
    hints, places = hints_of([*SECTION_3, "SGD(p, lr=0.1)"])
    code = Code(hints, places)
    for field, value, right in (("lr", 0.01, True), ("lr", 0.1, True), ("lr", 0.02, False)):
        assert code.on(field, found(**{field: value}))[0] is right
    assert code.on("lr", found(lr=0.01))[1].cell == 2
    assert code.on("lr", found(lr=0.02))[1].cell == 4
    assert code.on("dtype", found()) == (None, None)
    for columns, right in (
        (("train", "test"), None),  # as the tutorial's, which nobody has to be told
        (("train", "X_test"), False),
        (("train after", "test"), False),
    ):
        assert code.on("columns", found(columns=columns))[0] is right
    randn, linear = ("randn", "randn"), ("Linear", "Linear")
    for seed, draws, right in ((42, randn, True), (7, randn, False), (42, linear, False)):
        assert code.on("start", found(Start((0, 0), seed, draws)))[0] is right


def test_what_the_code_means_are_settings_one_for_each_line_that_it_names():
    hints = dict(X="linspace(0, 1, 50)", weight=0.9, w=2, lr=0.1, loss="MSELoss")
    one = Settings(("linspace", 0, 1, 50), 0.9, lr=0.1, loss="mse")
    assert Code(hints, {}).settings() == [one, one._replace(weight=2)]
    assert Code({"swapped": True, "test": "X_test"}, {}).settings() == [
        Settings(split=-0.2, columns=("train", "X_test"))
    ]
