"""The whole request: one frozen value made of every room's config. Only this file, the stages and the verbs see it.

A recipe file holds what differs from the defaults below; `runs/<name>/recipe.toml` holds everything.
"""

import difflib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import model_validator

from idiolect.config import Config, field
from idiolect.config_load import Loaded, load
from idiolect.corpus.config import CorpusConfig
from idiolect.data.config import DataConfig, Objective, resolve_objective
from idiolect.device import DeviceConfig
from idiolect.embeddings.config import EmbeddingsConfig
from idiolect.errors import RecipeError
from idiolect.evaluate.config import EvaluateConfig
from idiolect.generate.config import GenerateConfig
from idiolect.models import ModelConfig
from idiolect.models.config import GPTConfig
from idiolect.optim.config import AdamWConfig, OptimConfig
from idiolect.plan.config import PlanConfig
from idiolect.tasks.config import ClassificationConfig
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.train.config import TrainConfig
from idiolect.tune.config import CompareConfig, TuneConfig

BUILT_IN = Path(__file__).parent / "recipes"


class FinetuneConfig(Config):
    """A task, and how the model is fitted to it."""

    task: ClassificationConfig = field(ClassificationConfig(), "what to learn, and from which examples")
    train: TrainConfig = field(TrainConfig(steps=600, eval_every_steps=100), "how long, and how it is watched")
    optim: OptimConfig = field(OptimConfig(optimiser=AdamWConfig(learning_rate=3e-4)), "how weights move")

    @model_validator(mode="after")
    def _price_labels(self) -> Self:
        loss = self.train.loss
        if loss.teacher or loss.z_loss:
            key = "teacher" if loss.teacher else "z_loss"
            raise RecipeError(
                f"finetune.train.loss.{key} = {getattr(loss, key)} is for language models",
                why="a classifier's few classes have no vocabulary to share with a teacher, nor a sum that drifts",
                fix=f"--finetune.train.loss.{key}={'' if loss.teacher else 0}, or put it in [train.loss]",
            )
        return self


class Recipe(Config):
    """Everything that decides a run."""

    seed: int = field(1, "decides initial weights, data order and dropout", ge=0, lt=2**63)
    corpus: CorpusConfig = field(CorpusConfig(), "the text")
    tokenizer: TokenizerConfig = field(TokenizerConfig(), "how text becomes token ids")
    embeddings: EmbeddingsConfig = field(EmbeddingsConfig(), "where the vectors of tokens start")
    data: DataConfig = field(DataConfig(), "how ids become batches")
    model: ModelConfig = field(GPTConfig(), "the architecture")
    optim: OptimConfig = field(OptimConfig(), "the optimiser and its schedule")
    train: TrainConfig = field(TrainConfig(), "the training loop")
    evaluate: EvaluateConfig = field(EvaluateConfig(), "how the model is scored")
    generate: GenerateConfig = field(GenerateConfig(), "how the model writes")
    prompts: tuple[str, ...] = field((), "texts the report's samples go on from; none = from nothing", strict=False)
    finetune: FinetuneConfig = field(FinetuneConfig(), "a task to fit the trained model to")
    tune: TuneConfig = field(TuneConfig(), "a search over settings")
    compare: CompareConfig = field(CompareConfig(), "a comparison of families, recipes or variations")
    device: DeviceConfig = field(DeviceConfig(), "where to compute")
    plan: PlanConfig = field(PlanConfig(), "what a plan may assume of the machine and its price")

    @property
    def objective(self) -> Objective:
        """What the model learns to predict: the recipe's objective, or the family's own."""
        return resolve_objective(self.data.objective, self.model.reads, self.model.kind)

    @property
    def carries_state(self) -> bool:
        """Whether the model reads on from window to window, in training and in scoring."""
        left_to_right = self.objective.kind == "causal" and getattr(self.model, "carries_state", False)
        return left_to_right and self.train.carry_state

    @model_validator(mode="after")
    def _agree(self) -> Self:
        _ = self.objective
        return self


def find_recipe(target: str) -> Path:
    """The file a user means: a path, or the name of a built-in recipe. Raises RecipeError naming what is near."""
    path = Path(target)
    if path.suffix == ".toml":
        return path
    if path.exists():
        raise RecipeError(
            f"{target} is not a recipe",
            why="a recipe is a .toml file",
            fix=f"idiolect new mine.toml --text {shlex.quote(target)} --budget 10m  (to train on it)",
        )
    built_in = BUILT_IN / f"{target}.toml"
    if built_in.is_file():
        return built_in
    names = sorted(p.stem for p in BUILT_IN.glob("*.toml") if p.stem != "base")
    near = difflib.get_close_matches(target, names, 1, 0.5)
    raise RecipeError(
        f"there is no recipe, run or built-in recipe called {target}",
        why="built-in recipes: " + ", ".join(names),
        fix=near[0] if near else "idiolect new mine.toml --text ./my-folder --budget 10m",
    )


def load_recipe(path: Path | None, flags: Sequence[str] = ()) -> Loaded[Recipe]:
    """Read and check a recipe with flags over it; None is the defaults alone. Its base may be a built-in's name.

    Raises RecipeError.
    """
    return load(Recipe, path, flags, find_base=find_recipe)
