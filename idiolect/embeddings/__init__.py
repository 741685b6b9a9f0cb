"""Vectors for tokens before training begins: from a file of word vectors, another model, or the user's own text.

    a path    -> read   words and vectors, only those that are wanted       "corpus" -> train   skip-gram on token ids
              -> match  which token is which word, and how much is covered
              -> fit    to the model's width and the size of its own start

Start at `match.py`. `inspect.py` and `benchmarks.py` look at any embedding, random or not, when training is over.
"""
