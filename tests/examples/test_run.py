"""Every example runs from its data to its figure, with few pairs and a handful of steps."""

import addition
import captioning
import conversation
import execute
import movement
import pytest
import speech


@pytest.mark.parametrize(
    ("main", "less"),
    [
        (addition.main, {"preset": "simple", "count": 200}),
        (addition.main, {"preset": "same-length", "count": 200}),
        (captioning.main, {"count": 60, "epochs": 1}),
        (conversation.main, {}),
        (execute.main, {"count": 200}),
        (movement.main, {"count": 40}),
        (speech.main, {"count": 40}),
    ],
    ids=lambda value: value.__module__ if callable(value) else str(value.get("preset", "")),
)
def test_an_example_runs(main, less, capsys):
    right = main(**less, max_steps=3)
    assert 0 <= right <= 1
    assert "unseen" in capsys.readouterr().out.splitlines()[-1]
