"""What is dropped, for how long, and that nothing is outside training."""

import pytest
import torch

from tests.models.recurrent_settings import AWD, V, build_recurrent
from tests.models.toys import draw_tokens


def caught_inputs(model, tokens):
    """The input of each layer and the output before the head, (T, B, D), of one training pass."""
    found = []
    for layer in model.layers:
        layer.register_forward_hook(lambda module, inputs, output: found.append(inputs[0].detach()))
    hidden, _ = model.train()(tokens)
    return [*found, hidden.detach().transpose(0, 1)]


def test_a_locked_mask_is_the_same_at_every_position_and_another_in_each_row():
    model = build_recurrent("lstm", input_dropout=0.5, hidden_dropout=0.5, output_dropout=0.5)
    torch.manual_seed(0)
    for x_TBD in caught_inputs(model, draw_tokens(4, 12, V)):
        zero_TBD = x_TBD == 0
        assert (zero_TBD == zero_TBD[:1]).all()
        assert 0.25 < zero_TBD[0].float().mean() < 0.75
        assert not torch.equal(zero_TBD[0, 0], zero_TBD[0, 1])


def test_ordinary_dropout_is_drawn_anew_at_every_position():
    model = build_recurrent("lstm", dropout=0.5)
    torch.manual_seed(0)
    for x_TBD in caught_inputs(model, draw_tokens(4, 12, V)):
        zero_TBD = x_TBD == 0
        assert not (zero_TBD == zero_TBD[:1]).all()
        assert 0.4 < zero_TBD.float().mean() < 0.6


def test_masks_change_from_window_to_window_and_what_is_kept_grows():
    model = build_recurrent("lstm", input_dropout=0.5)
    tokens = draw_tokens(4, 12, V)
    torch.manual_seed(0)
    first, second = caught_inputs(model, tokens)[0], caught_inputs(model, tokens)[0]
    assert not torch.equal(first == 0, second == 0)
    whole = model.embed(tokens.t()).detach()
    kept = first != 0
    torch.testing.assert_close(first[kept], 2 * whole[kept])


def test_dropped_words_are_dropped_wherever_they_stand():
    model = build_recurrent("gru", word_dropout=0.5)
    tokens = draw_tokens(8, 12, V)
    torch.manual_seed(0)
    x_TBD = caught_inputs(model, tokens)[0]
    gone_BT = (x_TBD == 0).all(-1).t()
    by_word = [gone_BT[tokens == word] for word in range(V) if (tokens == word).any()]
    assert all(gone.all() or not gone.any() for gone in by_word)
    share = sum(gone.all().item() for gone in by_word) / len(by_word)
    assert 0.2 < share < 0.8


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_nothing_is_dropped_outside_training(name):
    plain = build_recurrent(name).eval()
    model = build_recurrent(name, **AWD, activation_penalty=2.0, change_penalty=1.0).eval()
    model.load_state_dict(plain.state_dict())
    tokens = draw_tokens(3, 12, V)
    before = torch.get_rng_state()
    assert torch.equal(model(tokens)[0], plain(tokens)[0])
    assert torch.equal(torch.get_rng_state(), before)
    assert model.auxiliary_loss() == 0
    torch.manual_seed(1)
    assert not torch.equal(model.train()(tokens)[0], plain(tokens)[0])


def test_penalties_are_those_of_the_paper():
    model = build_recurrent("lstm", output_dropout=0.5, activation_penalty=2.0, change_penalty=0.5).train()
    raw = []
    model.drop_output.register_forward_hook(lambda module, inputs, output: raw.extend([inputs[0], output]))
    model(draw_tokens(3, 12, V))
    before, after = raw
    expected = 2.0 * (after**2).mean() + 0.5 * ((before[1:] - before[:-1]) ** 2).mean()
    torch.testing.assert_close(model.auxiliary_loss(), expected)
    # Asked once a pass: nothing of a graph stays behind.
    assert model.auxiliary_loss() == 0
