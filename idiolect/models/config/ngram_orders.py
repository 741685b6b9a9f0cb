"""The hashed n-gram tables that a GPT may have: how many rows they take, and which orders make sense."""

from idiolect.errors import RecipeError


def table_rows(order: int, n_buckets: int, vocabulary_size: int) -> int:
    """Rows of an n-gram table: one for each n-gram where that fits, else `n_buckets`, shared by hash."""
    # One id more than the vocabulary: the place before the start of a text.
    return min(n_buckets, (vocabulary_size + 1) ** order)


def rows_of(orders: tuple[int, ...], n_buckets: int, vocabulary_size: int) -> int:
    """Rows of the tables of all these orders."""
    return sum(table_rows(order, n_buckets, vocabulary_size) for order in orders)


def check_orders(key: str, orders: tuple[int, ...], lowest: int, context_length: int) -> None:
    """Raise RecipeError when `model.<key>` asks for orders that make no sense: twice the same, too long, too short."""
    if any(not lowest <= order <= 8 for order in orders) or len(set(orders)) != len(orders):
        raise RecipeError(
            f"model.{key} = {list(orders)} must be different whole numbers from {lowest} to 8",
            why=("order 1 is the token embedding itself; " if lowest > 1 else "")
            + "beyond 8 hardly any n-gram is seen twice",
            fix=f"--model.{key}=[{lowest},{lowest + 1}]",
        )
    if max(orders, default=0) > context_length:
        raise RecipeError(
            f"model.{key} = {list(orders)} looks further back than model.context_length = {context_length}",
            why="an n-gram must fit in what the model reads",
            fix=f"--model.context_length={max(orders)}, or smaller orders",
        )
