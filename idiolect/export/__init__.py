"""A trained model leaves for other people's software, and other people's models come in; nothing leaves unchecked.

Start at `huggingface.export`; `gpt2` and `llama` say which of our settings stock code can express and how the tensors
are named there, `check` proves a written folder equal to the model it came from, `card` writes its README.
"""
