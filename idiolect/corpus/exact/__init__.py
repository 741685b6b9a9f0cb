"""Text whose probabilities are known: the corpus source `exact`, by which a whole run can be proven right.

    config.py       what may be asked            process.py   documents, their nats, the entropy: start here
    randomness.py   chance, our own arithmetic   lengths.py   how long documents are, what an end costs
    markov.py  hidden_markov.py  grammar.py  copying.py  induction.py  zipf.py        one law a file

A law knows the probability of some symbols of a document with the others unknown (`evidence`). All conditional
probabilities are quotients of two of those, whatever is hidden: the next symbol, one in the middle, a span, a half.
"""
