"""The canonical script runs and does what it says; and a student's own steps, bare of conveniences, arrive too."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from seqgen import models
from seqgen.modelfile import Architecture
from seqgen.runtime import RecurrentStepper

SCRIPT = Path(__file__).parents[2] / "scripts" / "examples" / "tutorial.py"


def test_the_script_learns_the_tune_and_improvises_on_it():
    result = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    loss, *rows = result.stdout.splitlines()
    first, last = map(float, re.findall(r"\d+\.\d+", loss))
    assert first > 4  # log(78) = 4.36: it knows nothing
    assert last < 0.1  # where in the tune a row starts costs log(8) / 30 = 0.07, and no model can know it
    tune = [40, 42, 44, 40, 44, 45, 47, 47]
    rounds = {tuple((tune * 8)[k : k + 50]) for k in range(8)}
    played = [tuple(map(int, row.split())) for row in rows]
    assert len(played) == 3
    assert set(played) <= rounds
    assert len(set(played)) > 1  # not the same sequence at every run from the same state


def test_a_students_own_steps():
    """78 values, 64 units, 30 steps in and 50 out; the cell and densor of one model are those of the next."""
    n_a, n_values, Tx, Ty = 64, 78, 30, 50
    LSTM_cell = models.LSTM_cell(n_a, seed=1)
    densor = models.densor(n_values, seed=2)
    model = models.training_model(LSTM_cell, densor, Tx=Tx)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="categorical_crossentropy", metrics=["accuracy"] * Tx)

    cycle = np.array([10, 20, 30, 20, 77])
    ids = np.array([np.resize(np.roll(cycle, -k), Tx + 1) for k in range(5)])  # (m, Tx + 1)
    X = np.zeros((5, Tx, n_values), np.float32)
    Y = np.zeros((Tx, 5, n_values), np.float32)
    for row in range(5):
        for t in range(Tx):
            X[row, t, ids[row, t]] = 1
            Y[t, row, ids[row, t + 1]] = 1
    assert (X.sum(axis=2) == 1).all()  # neither the first input
    assert (Y.sum(axis=2) == 1).all()  # nor the last target is empty
    a0, c0 = np.zeros((5, n_a)), np.zeros((5, n_a))
    history = model.fit([X, a0, c0], list(Y), epochs=60, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] < 0.1 * losses[0]

    inference_model = models.inference_model(LSTM_cell, densor, Ty=Ty)
    x_initializer = np.zeros((1, 1, n_values))
    x_initializer[0, 0, 77] = 1
    a_initializer, c_initializer = np.zeros((1, n_a)), np.zeros((1, n_a))
    pred = inference_model.predict([x_initializer, a_initializer, c_initializer], verbose=0)
    assert len(pred) == Ty
    assert pred[0].shape == (1, n_values)
    played = np.argmax(np.array(pred), axis=-1)[:, 0]
    np.testing.assert_array_equal(played, np.resize(cycle, Ty))

    # The same weights play without TensorFlow.
    architecture = Architecture(cell="lstm", n_a=n_a, layers=1, n_values=n_values)
    stepper = RecurrentStepper(architecture, models.weights_of(LSTM_cell, densor))
    state, now = stepper.start(1), np.array([77])
    for wanted in played:
        logits, state = stepper.step(now, state)
        now = logits.argmax(axis=1)
        assert now[0] == wanted
