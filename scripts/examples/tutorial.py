"""Learn a tune and improvise on it: the two models of the classic tutorial, on one shared cell and densor.

Run it with `python scripts/examples/tutorial.py`; it needs the extra `train` (TensorFlow) and about half a minute.
"""

# Keras' own annotations know no `verbose=0`.
# pyright: reportArgumentType=false
import keras
import numpy as np

from seqgen import models

n_a, n_values, Tx, Ty = 64, 78, 30, 50
START = 1  # what comes before the first note, so that the first step has an input and a target like any other
TUNE = np.array([40, 42, 44, 40, 44, 45, 47, 47])  # 40 and 44 and 47 recur: what follows depends on what came before

# The shared objects: every model below uses these weights and makes none of its own.
LSTM_cell = models.LSTM_cell(n_a, seed=1)
densor = models.densor(n_values, seed=2)

# Training model, many to many: the target at t is the note at t + 1.
model = models.training_model(LSTM_cell, densor, Tx)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="categorical_crossentropy")

# The corpus: the tune round and round, from each of its notes.
notes = np.stack([np.resize(np.roll(TUNE, -k), Tx) for k in range(len(TUNE))])  # (m, Tx)
m = len(notes)
one_hot = np.eye(n_values, dtype=np.float32)
X = one_hot[np.insert(notes[:, :-1], 0, START, axis=1)]  # (m, Tx, n_values)
Y = list(one_hot[notes.T])  # Tx arrays (m, n_values)
a0 = np.zeros((m, n_a), np.float32)
c0 = np.zeros((m, n_a), np.float32)

history = model.fit([X, a0, c0], Y, epochs=200, batch_size=m, shuffle=False, verbose=0)
first, last = (history.history["loss"][i] / Tx for i in (0, -1))
print(f"loss: {first:.2f} nats a note, after training {last:.2f}")

# Inference model, one to many: each note drawn is the next input. Draws differ from row to row, and with the seed.
count = 3
inference_model = models.inference_model(
    LSTM_cell, densor, Ty, choice="sample", temperature=0.5, seed=4, return_ids=True
)
x0 = np.tile(one_hot[START], (count, 1, 1))  # (count, 1, n_values)
a0 = np.zeros((count, n_a), np.float32)
c0 = np.zeros((count, n_a), np.float32)
*probabilities, ids = inference_model.predict([x0, a0, c0], verbose=0)
for row in ids:
    print(*row)
