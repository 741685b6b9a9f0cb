import pytest
import torch

from idiolect import faults


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def fault(monkeypatch):
    """Set IDIOLECT_FAULT and count its points from zero."""

    def set_fault(text: str) -> None:
        faults.forget()
        monkeypatch.setenv(faults.VARIABLE, text)

    yield set_fault
    faults.forget()
