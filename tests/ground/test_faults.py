import errno

import pytest

from idiolect import faults
from idiolect.errors import RecipeError


@pytest.fixture(autouse=True)
def forget():
    faults.forget()
    yield
    faults.forget()


def test_nothing_happens_without_the_variable(monkeypatch):
    monkeypatch.delenv(faults.VARIABLE, raising=False)
    assert faults.reached("a.point") == ""


def test_acts_at_the_nth_time_only(monkeypatch):
    monkeypatch.setenv(faults.VARIABLE, "a.point:2:nan,b.point:1:raise:ENOSPC")
    assert [faults.reached("a.point") for _ in range(4)] == ["", "nan", "", ""]
    with pytest.raises(OSError) as caught:
        faults.reached("b.point")
    assert caught.value.errno == errno.ENOSPC
    assert faults.reached("b.point") == ""


@pytest.mark.parametrize("text", ["a", "a:b:kill", "a:1:explode", "a:1:raise", "a:1:raise:ENOTHING", "a:1:kill:now"])
def test_refuses_what_it_cannot_read(monkeypatch, text):
    monkeypatch.setenv(faults.VARIABLE, text)
    with pytest.raises(RecipeError, match="can't be read"):
        faults.reached("elsewhere")
