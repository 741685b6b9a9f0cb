"""A trained model and a prompt become text, one token at a time.

Start at `decode.generate`; `sampling` says how a token is chosen, `stream` how ids become text that may be shown, and
`chat` is the terminal loop over it.
"""

from idiolect.generate.config import GenerateConfig

__all__ = ["GenerateConfig"]
