"""check/notebook/tables: what people print comes back, row by row, and what is no table is refused.

The numbers are made up, with as many digits as torch prints: reading doesn't ask what they mean.
"""

import json

import pytest

from check.notebook.tables import PRINT, read

ROWS = [
    (epoch, (repr(0.7312881 / (epoch + 3)), repr(1.4810651 / (epoch + 3))))
    for epoch in range(0, 200, 10)
]
# The ways in which people print an epoch, a train and a test loss. Most were met in public.
STYLES = {
    "the tutorial's": "Epoch: {e} | MAE Train Loss: {a} | MAE Test Loss: {b}\n",
    "of how many": "Epoch {e}/200, Loss: {a}, Test loss: {b}\n",
    "bar of =": "Epoch [{e}/200] [{bar}] - 0.02s/step - Train Loss: {a} - Test loss: {b}\n",
    "numbers alone": "{e} {a} {b}\n",
    "with a header": "{header}| {e} | {a} | {b} |\n",
    "tensors": "{e} tensor({a}, grad_fn=<L1LossBackward0>) tensor({b})\n",
    "on a GPU": "({e}, tensor({a}, device='cuda:0', grad_fn=<MeanBackward0>), np.float32({b}))\n",
    "in float64": "{e} tensor({a}, dtype=torch.float64, requires_grad=True) array({b})\n",
    "a dictionary": "{{'train_loss': {a}, 'test_loss': tensor({b}), 'epoch': {e}}}\n",
    "epoch behind": "loss {a} / test {b} after {e} epochs\n",
    "right behind words": "Epoch{e} Train_loss{a} Test_loss{b}\n",
    "colours": "\x1b[1mEpoch {e}\x1b[0m loss \x1b[32m{a}\x1b[0m test \x1b[31m{b}\x1b[0m\n",
    "ordinals": "{o} epoch: loss {a}, test loss {b}\n",
    "a float's epoch": "Epoch: {e}.0000 | Train loss: {a} | Test loss: {b}\n",
    "a word more in some rows": "Epoch {e} loss {a} test loss {b}{word}\n",
    "a date": "2024-05-01 12:00:03,123 INFO epoch={e} train_loss={a} test_loss={b}\n",
    "times": "Epoch {e} | loss {a} | test {b} | time 0.{i} | 0.{i} s | lr 0.01\n",
    "accuracies": "Epoch: {e} | Loss: {a}, Acc: 4{i}.25% | Test Loss: {b}, Test Acc: 4{i}.00%\n",
    "loss and accuracy": "{e}: loss and accuracy: {a}, 4{i}.2, test loss and accuracy: {b}, 3.2\n",
    "parameters behind": "Epoch {e} loss {a} test {b} w tensor([0.33{i}], requires_grad=True)\n",
    "other losses": "Epoch {e} | loss {a} | val loss 0.5{i} | test loss {b}\n",
    "what else is measured": "{e}: train r 0.9{i} train loss {a} test r 0.8{i} test loss {b}\n",
    "a validation": "Epoch {e} | loss {a} | val loss {b} | lambda 0.5{i}\n",
    "a count that falls": "{left} to go, {e} done, loss {a}, test {b}\n",
    "no name for a third": "Epoch {e} | train {a} | test {b} | prediction 0.4{i}\n",
    "three lines": "Epoch: {e}\nLoss: {a}\nTest loss: {b}\n",
    "epoch in the last line": "Loss: {a}\nTest loss: {b}\nEpoch: {e}\n",
    "epoch on the test line": "Loss: {a}\nEpoch: {e} | Test loss: {b}\n",
    "epoch on the train line": "Epoch: {e} | Loss: {a}\n          Test loss: {b}\n",
    "the same words on both lines": "Epoch {e} Train loss: {a}\nEpoch {e} Train loss: {b}\n",
    "the same words below an epoch": "Epoch {e}\nTrain loss: {a}\nTrain loss: {b}\n",
    "epoch on both lines": "Epoch {e} Loss: {a}\nEpoch {e} Test Loss: {b}\n",
    "pytorch/examples": "Train Epoch: {e} [40/40 (100%)]\tLoss: {a}\n\nTest set: Avg loss: {b}\n\n",
    "each row twice": "Epoch: {e} | Loss: {a} | Test: {b}\n" * 2,
    "tqdm's postfix": "\r{bar_drawn}, loss={a}, test={b}]\r{bar_again}, loss={a}, test={b}]",
    "tqdm's description": "\rEpoch {e} loss {a} test {b}: {bar_drawn}]"
    "\rEpoch {e} loss {a} test {b}: {bar_again}]",
    "behind tqdm's bar": "{bar_drawn}]Epoch: {e} | Loss: {a} | Test: {b}\n",
    "behind a bar of numbers": "{e}% {e}/200 [00:00<?, ?it/s]Epoch: {e} | Loss: {a} | Test: {b}\n",
    "Russian": "Эпоха: {e} | Потери обучения: {a} | Точность: 0.5{i} | Потери теста: {b}\n",
    "Hindi": "युग {e} हानि {a} परीक्षण {b}\n",
    "Chinese": "第{e}轮 训练损失：{a}，准确率：0.5{i}，测试损失：{b}\n",
}
BAR = "{e:3}%|{hashes:20}| {e}/200 [00:0{i}<00:01, 9{i}.12it/s"


def printed(style, rows=ROWS):
    """Return what a run prints in a style, row by row."""
    text = ""
    for i, (epoch, (a, b)) in enumerate(rows):
        drawn = BAR.format(e=epoch, hashes="#" * i, i=i % 10)
        text += style.format(
            e=epoch, a=a, b=b, i=f"{i:02}", o=f"{epoch}{'st' if i == 1 else 'th'}",
            bar="=" * (i + 1) + "." * (20 - i), header="| epoch | train | test |\n" * (i == 0),
            left=200 - epoch, bar_drawn=drawn, bar_again=drawn.replace("<", "<1"),
            word=" *** saved" * (i % 3 == 0),
        )  # fmt: skip
    return text


@pytest.fixture
def rows_in(tmp_path):
    """Return a function that reads a text from a file and returns the rows of each table."""

    def rows_in(text, name="run.txt", encoding="utf-8"):
        file = tmp_path / name
        file.write_bytes(text.encode(encoding))
        return [table.rows for table in read(file)]

    return rows_in


@pytest.mark.parametrize("style", STYLES)
def test_rows_come_back_as_they_were_printed(rows_in, style):
    assert rows_in(printed(STYLES[style])) == [ROWS]


def test_decimal_commas_become_points(rows_in):
    with_commas = [
        (epoch, tuple(text.replace(".", ",") for text in texts)) for epoch, texts in ROWS
    ]
    for style in ("{e} {a} {b}\n", "Época: {e} | Pérdida: {a} | Prueba: {b}\n", "{e};{a};{b}\n"):
        assert rows_in(printed(style, with_commas)) == [ROWS]


def test_numbers_may_be_short_or_small_or_none(rows_in):
    rows = [(0, ("1.", "nan")), (1, ("1e-05", "inf")), (2, (".5", "-2.5E+03")), (3, ("0.", "7."))]
    assert rows_in(printed("{e} tensor({a}) tensor({b})\n", rows)) == [rows]


def test_a_file_may_have_any_encoding_and_end_of_line(rows_in):
    text = printed(STYLES["the tutorial's"])
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1"):
        for end in ("\n", "\r\n"):
            assert rows_in(f"Café\n{text}".replace("\n", end), encoding=encoding) == [ROWS]


def test_a_bar_counts_as_it_is_drawn_last_and_its_end_is_no_row(rows_in):
    settled = ROWS[:15] + [(epoch, ROWS[14][1]) for epoch, _ in ROWS[15:]]
    for style in ("\r{bar_drawn}, loss={b}]\r{bar_again}, loss={a}]", "{bar_drawn}, loss={a}]\n"):
        for rows in (ROWS, settled):
            end = printed(style, [(200, rows[-1][1][:1] * 2)])
            expected = [[(epoch, (a,)) for epoch, (a, _) in rows]]
            assert rows_in(printed(style, rows)) == expected
            assert rows_in((printed(style, rows) + end + "\n") * 2) == expected * 2


def test_batches_have_no_epoch(rows_in):
    """The items done of all are no epochs, nor is an epoch that several batches share."""
    losses = [f"0.{900 - i}" for i in range(12)]
    for style in (
        "loss: {a}  [{done:>5}/60000]\n",
        "Train Epoch: {e} [{done}/60000 (7%)]\tLoss: {a}\n",
        "Epoch [{e}/3], Step [{done}/4], Loss: {a}\n",
    ):
        text = "".join(style.format(e=i // 4, done=64 * (i % 4), a=a) for i, a in enumerate(losses))
        assert rows_in(text) == [[(None, (a,)) for a in losses]]
    text = "".join(f"Epoch {i // 2} loss {a} test {b}\n" for i, (_, (a, b)) in enumerate(ROWS))
    assert rows_in(text) == [[(None, losses) for _, losses in ROWS]]


def test_a_row_with_a_test_loss_first_keeps_its_order(rows_in):
    for style in (
        "Epoch {e}: Test loss: {b} | Train loss: {a}{other}\n",
        "Test: {b}\nEpoch {e}: loss {a}\n",
    ):
        for other in ("", " | lambda 0.5"):
            text = printed(style.replace("{other}", other))
            assert rows_in(text) == [[(epoch, (b, a)) for epoch, (a, b) in ROWS]]


def test_epochs_that_begin_anew_begin_a_table(rows_in):
    for style in ("the tutorial's", "epoch on both lines", "three lines"):
        assert rows_in(printed(STYLES[style]) * 2) == [ROWS, ROWS]
    again = printed(STYLES["the tutorial's"], [(190, ("0.2", "0.3")), (200, ("0.1", "0.2"))])
    assert len(rows_in(printed(STYLES["the tutorial's"]) + again)) == 2


def test_what_each_epoch_prints_stands_beside_what_each_fifth_prints(rows_in):
    trains = [(epoch, (a,)) for epoch, (a, _) in ROWS]
    tests = [(epoch, (b,)) for epoch, (_, b) in ROWS]
    for each, fifth, expected in (
        ("Epoch: {e}/200  Loss:{a}\n", STYLES["the tutorial's"], [trains, ROWS[::5]]),
        ("Epoch: {e} | Loss: {a}\n", "Test loss: {b}\n", [trains, tests[::5]]),
        (
            "Test loss: {b}\n",
            "Epoch: {e} | Loss: {a}\n",
            [[(None, b) for _, b in tests], trains[::5]],
        ),
        ("Epoch: {e}\n", "Loss: {a}\nTest: {b}\n", [ROWS[::5]]),
        ("Loss: {a}\n", STYLES["the tutorial's"], [ROWS[::5]]),
    ):
        text = "".join(
            printed(each, [row]) + printed(fifth, [row] * (i % 5 == 0))
            for i, row in enumerate(ROWS)
        )
        assert rows_in(text) == expected


def test_a_loss_without_an_epoch_beside_a_table_is_left_out(rows_in):
    parameters = "OrderedDict([('weights', tensor([[0.5, 0.7]])), ('bias', tensor([0.1]))])\n"
    text = printed("Loss: {a}\n" + parameters + STYLES["the tutorial's"])
    assert rows_in(text) == [ROWS]
    assert rows_in(f"{text}[tensor(0.3),\n tensor(0.2),\n tensor(0.1),\n") == [ROWS]


def test_rows_need_no_epoch_if_a_name_or_nothing_stands_beside_the_loss(rows_in):
    without = [(None, losses) for _, losses in ROWS]
    assert rows_in(printed("Loss: {a} | Test loss: {b}\n")) == [without]
    assert rows_in(printed("Loss: {a}\nsome words\nTest loss: {b}\n")) == [without]
    assert rows_in(printed("Loss: {a} | Test loss: {b}\n", ROWS[:3])) == [without[:3]]
    trains = [(None, (a,)) for _, (a, _) in ROWS]
    for style in (
        "Loss: {a}\n",
        "tensor({a}, device='cuda:0', grad_fn=<L1LossBackward0>)\n",
        "{a}\n",
    ):
        assert rows_in(printed(style)) == [trains]


def test_a_training_that_was_interrupted_lacks_its_last_test_loss(rows_in):
    assert rows_in(printed(STYLES["three lines"]) + "Epoch: 200\nLoss: 0.1\n") == [ROWS]
    assert rows_in(printed(STYLES["epoch on both lines"]) + "Epoch 200 Loss: 0.1\n") == [ROWS]
    same = printed(STYLES["the same words on both lines"])
    assert rows_in(same + "Epoch 200 Train loss: 0.1\n") == [ROWS]


def test_words_above_rows_of_numbers_are_no_header(rows_in):
    assert rows_in("Training starts\n" + printed("{e} {a} {b}\n")) == [ROWS]
    trains = [(epoch, (a,)) for epoch, (a, _) in ROWS]
    assert rows_in("Training\n" + printed("{e} {a}\n")) == [trains]


def test_an_index_of_a_data_frame_is_no_epoch(rows_in):
    lines = [f"{i:<4}{a:>24}{b:>24}" for i, (_, (a, b)) in enumerate(ROWS)]
    head = f"{'train_loss':>28}{'test_loss':>24}"
    assert rows_in("\n".join([head, *lines])) == [[(None, losses) for _, losses in ROWS]]
    lines = [f"{i:<4}{e:>6}{a:>24}" for i, (e, (a, _)) in enumerate(ROWS)]
    head = f"{'epoch':>10}{'loss':>24}"
    assert rows_in("\n".join([head, *lines])) == [[(e, (a,)) for e, (a, _) in ROWS]]


NO_TABLES = {
    "words": "no numbers here\n",
    "a number of rows": "len of X_train 40\nlen of y_train 40\nlen of X_test 10\n",
    "shapes": "X torch.Size([40, 1])\nX torch.Size([50, 1])\nX torch.Size([60, 1])\n",
    "accuracies": "Epoch: 0 | Acc: 0.5\nEpoch: 1 | Acc: 0.6\nEpoch: 2 | Acc: 0.7\n",
    "times": "Epoch 0 took 0.5 s\nEpoch 1 took 0.6 s\nEpoch 2 took 0.7 s\n",
    "dates": "2024-05-01 12:00:03\n2024-05-02 12:00:03\n2024-05-03 12:00:03\n",
    "versions": "torch 2.1.0\ntorch 2.2.0\ntorch 2.3.0\n",
    "one row": "Epoch: 0 | Loss: 0.3 | Test loss: 0.4\n",
    "two rows without an epoch": "Loss: 0.3\nLoss: 0.2\n",
    "two rows without a name": "0 0.3\n1 0.2\n",
    "an exponent": "0 0.3e-99999999999999999999\n1 0.2\n2 0.1e-99999999999999999999\n",
    "data": "   X1    X2  label\n0  0.75  0.23  1\n1  0.71  0.15  1\n2  0.81  0.17  0\n",
    "models": "modelV0 0.47\nmodelV1 0.68\nmodelV2 0.29\n",
    "a model": "(0): Dropout(p=0.5)\n(1): Dropout(p=0.5)\n(2): Dropout(p=0.5)\n",
    "a summary": "conv (0) [1, 32] 37,130\nconv (1) [1, 32] 102,900\nconv (2) [1, 32] 126,004\n",
    "predictions": "tensor([[0.3],\n        [0.2],\n        [0.1]])\n",
}


@pytest.mark.parametrize("name", NO_TABLES)
def test_what_is_no_table_gets_the_line_that_would_print_one(rows_in, name):
    with pytest.raises(ValueError, match="no table of losses in it") as error:
        rows_in(NO_TABLES[name])
    assert PRINT in str(error.value)


def test_a_row_of_many_numbers_without_names_is_refused_with_their_count(rows_in):
    with pytest.raises(ValueError, match="3 decimals") as error:
        rows_in(printed("{e} 0.3366{i} {a} {b}\n"))
    assert PRINT in str(error.value)
    text = printed("{e} 0.3366{i} {a} {b}\n") + printed(STYLES["the tutorial's"])
    assert rows_in(text) == [ROWS]


def notebook(*outputs):
    """Return a notebook's JSON: a code cell for each list of outputs, below a cell of words."""
    cells = [{"cell_type": "markdown", "source": "words"}]
    for number, output in enumerate(outputs):
        source = [f"lr = 0.{number}1\n", "optimizer = torch.optim.SGD(model.parameters(), lr=lr)"]
        cells.append({"cell_type": "code", "source": source, "outputs": output})
    return {"cells": cells, "nbformat": 4}


def test_a_cells_number_is_its_position_among_the_code_cells(tmp_path):
    lines = printed(STYLES["three lines"]).splitlines(keepends=True)
    stream = (
        {"output_type": "stream", "text": lines[:7]},
        {"output_type": "stream", "text": lines[7:]},
    )
    shown = {"output_type": "execute_result", "data": {"text/plain": printed("{e} {a} {b}\n")}}
    error = {"output_type": "error", "traceback": [printed("{e} {a} {b}\n")], "text": "0 0.1"}
    file = tmp_path / "my.ipynb"
    file.write_text(json.dumps(notebook([], [*stream], [error], [shown])), encoding="utf-8")
    first, second = read(file)
    assert first.rows == second.rows == ROWS
    assert [first.where, second.where] == [f"{file}, cell 2", f"{file}, cell 4"]
    assert first.places == {} or first.places.keys() <= {*first.hints, "lr"}
    old = {"worksheets": [{"cells": notebook([*stream])["cells"]}], "nbformat": 3}
    (tmp_path / "old.ipynb").write_text(json.dumps(old), encoding="utf-8")
    assert [table.rows for table in read(tmp_path / "old.ipynb")] == [ROWS]


def test_a_table_in_a_text_is_named_by_its_first_line(tmp_path):
    file = tmp_path / "run.txt"
    file.write_text("words\n\n" + printed(STYLES["the tutorial's"]), encoding="utf-8")
    (table,) = read(file)
    assert table.where == f"{file}, from line 3"
    assert (table.hints, table.places) == ({}, {})


BAD = {
    "empty.ipynb": ("", "it is empty"),
    "cut.ipynb": ('{"cells": [', "it is no JSON"),
    "list.ipynb": ("[1, 2]", "no notebook"),
    "other.ipynb": ('{"a": 1}', "no code cells"),
    "cleared.ipynb": ('{"cells": [{"cell_type": "code", "source": "", "outputs": []}]}', "cleared"),
    "form.ipynb": ('{"cells": ["a"]}', "another form"),
    "output.ipynb": ('{"cells": [{"cell_type": "code", "outputs": [1]}]}', "another form"),
    "binary.txt": ("\x00\x01\x02", "bytes that are no text"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_notebook_and_no_text_is_told_so(rows_in, name):
    text, told = BAD[name]
    with pytest.raises(ValueError, match=told):
        rows_in(text, name)


def test_a_folder_and_a_file_that_is_not_there_are_told_so(tmp_path):
    with pytest.raises(ValueError, match="it is a folder"):
        read(tmp_path)
    with pytest.raises(OSError, match="none.ipynb"):
        read(tmp_path / "none.ipynb")


def test_a_line_without_end_is_read_as_far_as_losses_stand(tmp_path):
    rows = [f"Epoch: {e} | Loss: 0.{9 - e} | Test: 0.{8 - e} {'7 ' * (2000 + e)}" for e in range(4)]
    (tmp_path / "run.txt").write_text("\n".join(rows))
    (table,) = read(tmp_path / "run.txt")
    assert table.rows[1] == (1, ("0.8", "0.7"))
