"""The optional tracker: the same numbers as metrics.jsonl, where TensorBoard finds them."""

import pytest

from idiolect.progress import MetricsLog


def test_metrics_reach_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = MetricsLog(tmp_path / "metrics.jsonl", tensorboard=True)
    for step in (10, 20):
        log.write({"step": step, "train_nats": 2.0 / step})
    log._board.flush()
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    found = [(event.step, round(event.value, 4)) for event in board.Scalars("train_nats")]
    assert found == [(10, 0.2), (20, 0.1)]
    assert [line["step"] for line in log.read()] == [10, 20]
