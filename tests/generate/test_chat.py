"""The chat without a terminal: lines in, text out, commands, ctrl-C."""

import io
from types import SimpleNamespace

import pytest

from idiolect.generate import GenerateConfig
from idiolect.generate import chat as chat_module
from idiolect.generate.chat import chat, visible
from idiolect.generate.decode import Generated

CONFIG = GenerateConfig(max_tokens=5, greedy=True)


@pytest.fixture
def prompts(monkeypatch):
    """Answers every prompt with <n>, and notes what was asked and how; ctrl-C in the middle of the text 'hang'."""
    asked = []

    def answer(model, tokenizer, prompts, config, on_text, framing=None):
        asked.append((prompts[0], config))
        on_text(0, f"<{len(asked)}")
        if prompts[0].endswith("hang"):
            raise KeyboardInterrupt
        on_text(0, ">")
        return [Generated(0, 0, f"<{len(asked)}>", [1], [0.5], "length", 1, 0.1)]

    monkeypatch.setattr(chat_module, "generate", answer)
    return asked


def talk(*lines, config=CONFIG):
    sink = io.StringIO()
    count = chat(SimpleNamespace(reads="left"), None, config, io.StringIO("".join(line + "\n" for line in lines)), sink)
    return count, sink.getvalue()


def test_every_line_goes_on_from_all_that_was_said(prompts):
    count, shown = talk("one", "", "two")
    assert [prompt for prompt, _ in prompts] == ["one", "one<1>", "one<1><2>\ntwo"]
    assert count == 3 and "<3>" in shown


def test_reset_forgets(prompts):
    talk("one", "/reset", "two")
    assert [prompt for prompt, _ in prompts] == ["one", "two"]


def test_seed_and_temperature_are_set_and_bad_values_answered(prompts):
    _, shown = talk("/seed 7", "/temperature 0.5", "a", "/seed x", "/seed -1", "/temperature nan", "/temperature", "b")
    (_, first), (_, second) = prompts
    assert first == second
    assert (first.seed, first.temperature, first.greedy) == (7, 0.5, False)
    assert shown.count("needs a whole number") == 2 and shown.count("needs a number") == 2


def test_quit_leaves_and_help_lists_every_command(prompts):
    count, shown = talk("/help", "/nonsense", "/quit", "never read")
    assert count == 0 and prompts == []
    assert all(command in shown for command in ("/help", "/reset", "/seed", "/temperature", "/quit"))
    assert "/nonsense is not a command" in shown


def test_a_text_may_begin_with_a_slash(prompts):
    talk("//etc/passwd")
    assert prompts[0][0] == "/etc/passwd"


def test_ctrl_c_stops_the_text_and_not_the_chat(prompts):
    count, shown = talk("hang", "on")
    assert "[stopped]" in shown and count == 2
    assert prompts[1][0] == "hang<1\non"  # what was shown before the interruption was said


def test_control_characters_never_reach_the_terminal():
    assert visible("a\x1b]0;title\x07b\r\n\tc\x9b1m\x7f") == "a␛]0;title␇b␍\n\tc\ufffd1m␡"


def test_a_real_model_chats(model, tokenizer):
    sink = io.StringIO()
    assert chat(model, tokenizer, CONFIG, io.StringIO("hello\n\n"), sink) == 2
    assert sink.getvalue().count("tokens,") == 2
