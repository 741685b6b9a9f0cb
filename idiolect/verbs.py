"""Every verb as the command line teaches it: a sentence, what a user should know, commands to copy, its own options."""

from dataclasses import dataclass

TARGET = "a recipe (a .toml file, or the name of a built-in one), or the folder of a run"


@dataclass(frozen=True)
class Option:
    """A flag of one verb's own."""

    flag: str
    help: str
    metavar: str | None = None
    repeat: bool = False
    default: str | None = None
    switch: bool = False

    @property
    def name(self) -> str:
        """The flag as Python names it."""
        return self.flag[2:].replace("-", "_")


@dataclass(frozen=True)
class Verb:
    """One verb: what it does in a line, what a user should know, and commands to copy."""

    summary: str
    about: str
    examples: tuple[tuple[str, str], ...]
    options: tuple[Option, ...] = ()
    target: str | None = TARGET
    more: str = ""  # the option that further targets are added to
    subjects: tuple[str, ...] = ()  # words that may stand first in place of --what


TEXT = Option("--text", "a file, folder or glob of text; may be given several times", "PATH", repeat=True)
BUDGET = Option("--budget", "what it may cost: 10m, 2h, 50usd or 1e18flops", "BUDGET")
PROMPT = Option("--prompt", "the text to go on from; may be given several times", "TEXT", repeat=True)
SUFFIX = Option("--suffix", "what follows a gap to be filled (for a run that learned fill_in_the_middle)", "TEXT")
CHECKPOINT = Option("--checkpoint", "which weights: best (default), last, or a step", "WHICH", default="best")

VERBS: dict[str, Verb] = {
    "new": Verb(
        "write a short recipe for your own text",
        "Looks at your text, measures this machine, and chooses a model, a number of steps and a learning rate that "
        "fit the budget. The recipe it writes is short and commented: every line may be changed.",
        (
            ("idiolect new mine.toml --text ./my-folder --budget 10m", "ten minutes on this machine"),
            ("idiolect new mine.toml --text 'books/*.txt' --text notes.md --budget 2h", "several sources"),
        ),
        (TEXT, BUDGET),
        target="the recipe to write, such as mine.toml",
    ),
    "run": Verb(
        "the whole journey of a recipe: prepare, train, evaluate, generate, report",
        "Each stage is named by a fingerprint of its inputs. What stands is not made again: run it twice and the "
        "second time does nothing; change a value and just the stages that depend on it run.",
        (
            ("idiolect run mine.toml", "everything"),
            ("idiolect run mine.toml --train.steps=500 --name short", "a variation beside it"),
            ("idiolect run shakespeare-fast --corpus.text=input.txt", "a built-in recipe on your file"),
        ),
    ),
    "demo": Verb(
        "the whole journey on the built-in corpus: five minutes, no network",
        "Trains a small model on the documentation of Python and of the libraries installed beside us, then shows "
        "samples, scores beside the floors, and how to talk to it.",
        (("idiolect demo", "about five minutes on two cores"), ("idiolect chat runs/demo", "afterwards")),
        target=None,
    ),
    "prepare": Verb(
        "collect, clean and split the text; train the tokenizer; write token shards",
        "Text may lie in files, folders and archives of many formats, or elsewhere: https://, s3://, hf:owner/name, "
        "catalogue:name. Every dropped document is counted by reason, and samples of each reason are kept. A page for "
        "people (audit.html), a datasheet and a public summary stand beside the corpus; a killed preparation goes on.",
        (
            ("idiolect prepare mine.toml", "prepare what the recipe names"),
            ("idiolect prepare web --corpus.text=crawl.warc.gz", "raw web text: languages, rules, near duplicates"),
            ("idiolect prepare mine.toml --corpus.min_characters=200 --json", "stricter; one line of JSON at the end"),
        ),
    ),
    "train": Verb(
        "train the model (and prepare its data first, if that has not been done)",
        "Shows tokens/s, loss in bits per byte, learning rate, gradient norm, time left, memory and MFU. Press ctrl-C "
        "once to save and stop; the same command goes on from there, to the same weights bit for bit on a CPU.",
        (
            ("idiolect train mine.toml", "train, or go on training"),
            ("idiolect train mine.toml --optim.optimiser.learning_rate=3e-4 --name slower", "a variation beside it"),
            ("idiolect train mine.toml --model.kind=lstm --name lstm", "another family at its own usual sizes"),
            ("idiolect train mine.toml --train.loss.teacher=runs/large --name small", "learn from a run as well"),
        ),
    ),
    "evaluate": Verb(
        "score a trained model beside its floors",
        "Bits per byte, perplexity and accuracy with 95 % intervals on validation and test, beside what uniform, "
        "unigram and n-gram models reach on the same text, and beside the exact entropy where the text is generated. "
        "BERT's score is a pseudo-likelihood, which no floor or left reader can be compared with.",
        (("idiolect evaluate runs/mine", "all splits"), ("idiolect evaluate runs/mine --checkpoint last --json", "")),
        (CHECKPOINT,),
    ),
    "finetune": Verb(
        "fit a trained model to a task: classification",
        "Starts from a run's weights, trains a head and the model with the same loop, and compares with the majority "
        "and TF-IDF baselines on held-out examples.",
        (
            ("idiolect finetune runs/demo --task classification", "which library does this passage document?"),
            ("idiolect finetune runs/mine --finetune.task.train=reviews.csv --finetune.task.label_field=stars", ""),
        ),
        (CHECKPOINT, Option("--task", "classification", "TASK", default="classification")),
    ),
    "tune": Verb(
        "search over settings: grid or random",
        "Trains the recipe once per trial and keeps the best as best.toml. A killed search goes on without repeating "
        "finished trials.",
        (
            ("idiolect tune mine.toml --tune.trials=12", "with the space in the recipe's [tune] section"),
            (
                "idiolect tune mine.toml --space optim.optimiser.learning_rate=1e-4..1e-2 --space model.n_layers=2,4,6",
                "",
            ),
        ),
        (
            Option(
                "--space", "a setting and its values: key=1,2,3 or key=low..high; repeatable", "KEY=VALUES", repeat=True
            ),
        ),
    ),
    "compare": Verb(
        "families, recipes or variations at an equal budget: which is better, and is it sure?",
        "Sizes every family to the same number of parameters, gives each the same budget (seconds, tokens or FLOPs a "
        "run) and the same small search for its learning rate, then trains several seeds of each. Prints and plots "
        "bits per byte against compute with intervals, and verdicts in words. A killed comparison goes on; what "
        "stands is not run again, so a family or a seed can be added later.",
        (
            ("idiolect compare mine.toml --families gpt,lstm,gru,ngram --budget 60s", "a minute of training a run"),
            ("idiolect compare mine.toml --families all --budget 1e13flops --parameters 1e6", "equal operations"),
            ("idiolect compare small.toml deep.toml --budget 5e6tokens --seeds 5", "recipes against each other"),
            ("idiolect compare mine.toml --vary model.n_layers=2,4 --vary model.norm=rms,layer", "a grid of four"),
            ("idiolect compare mine.toml --ablate corpus.clean.lowercase,corpus.clean.stem", "with and without each"),
        ),
        (
            Option("--families", 'architectures, such as gpt,lstm, or "all"', "KIND,KIND", repeat=True),
            Option("--with", "a further recipe (the same as naming it after the first)", "RECIPE", repeat=True),
            Option(
                "--vary", "a setting of the recipe and what it may be; several make a grid", "KEY=VALUES", repeat=True
            ),
            Option(
                "--ablate", "settings whose effect is measured, one at a time: a switch, or KEY=VALUE", "KEY,KEY", True
            ),
            Option("--budget", "what each run may spend: 60s, 2m, 5e6tokens or 1e13flops", "BUDGET"),
            Option("--parameters", "size every model to about so many (default: as the recipe's own)", "N"),
            Option("--seeds", "runs of each that are scored (default: 3)", "N"),
        ),
        target=f"{TARGET}; further recipes may follow",
        more="with",
    ),
    "plan": Verb(
        "what it will take, before it is spent: parameters, FLOPs, memory, time, money",
        "Counts the model, measures this machine for a few seconds, and prints the arithmetic. With --text and "
        "--budget it chooses the model; with a recipe and --budget it does so for the recipe's own text, and of a "
        "mixture for what a run draws of each source.",
        (
            ("idiolect plan mine.toml", "the recipe as it is"),
            ("idiolect plan mine.toml --budget 2h", ""),
            ("idiolect plan --text ./my-folder --budget 2h", ""),
        ),
        (TEXT, BUDGET),
    ),
    "doctor": Verb(
        "look for settings that make no sense together",
        "Checks the recipe against the text, the machine and the disk, and says what to type.",
        (("idiolect doctor mine.toml", ""),),
    ),
    "generate": Verb(
        "let a trained model write",
        "Continues each prompt; text goes to standard output as it is written. A BERT fills each [MASK]; an "
        "encoder-decoder takes the prompt as its source.",
        (
            ('idiolect generate runs/mine --prompt "Once upon a time"', ""),
            ("idiolect generate runs/mine --generate.samples=3 --generate.temperature=0.7 --generate.seed=1", ""),
            ('idiolect generate runs/bert --prompt "to be or not to [MASK][MASK]"', "a BERT fills gaps"),
            ('idiolect generate runs/mine --prompt "before" --suffix "after"', "fill the gap, if it learned to"),
        ),
        (PROMPT, SUFFIX, CHECKPOINT),
    ),
    "chat": Verb(
        "talk with a trained model in the terminal",
        "The model continues what you type (completion style). /help lists what else you can type.",
        (("idiolect chat runs/mine", ""),),
        (CHECKPOINT,),
    ),
    "export": Verb(
        "write the model in the Hugging Face format, checked",
        "Models that stock transformers can compute are exported: GPT (as GPT-2, Llama, or, with experts, Mixtral or "
        "Qwen 3 MoE), BERT (or ModernBERT) and T5. The folder is loaded by stock transformers and its logits are "
        "compared with ours before the export counts as done.",
        (("idiolect export runs/mine --out my-model", ""),),
        (CHECKPOINT, Option("--out", "the folder to write (default: huggingface/ in the run)", "FOLDER")),
    ),
    "report": Verb(
        "write the run's report: one HTML file",
        "The file needs no network and no server: mail it, keep it, print it.",
        (("idiolect report runs/mine", ""), ("idiolect report runs/mine --out mine.html", "a copy to hand on")),
        (Option("--out", "a file to write besides the run's own report.html", "FILE"),),
    ),
    "show": Verb(
        "every setting with its origin; the corpus; the tokenizer; the embedding",
        "Prints where each value comes from: a default, a line of a recipe, or a flag. Of a trained run, --embeddings "
        "shows what its token vectors have become: the nearest words, analogies, and how far training has turned them "
        "from where they began, be that random, trained on your text or read from a file (see [embeddings] in a "
        "recipe). The report has them as a map.",
        (
            ("idiolect show mine.toml", "all settings"),
            ("idiolect show mine.toml --what tokenizer", "bytes per token, longest and unseen tokens"),
            ("idiolect show corpus runs/mine", "what was read, what fell and why, what is kept"),
            ("idiolect show corpus runs/mine --reason near_duplicate", "pairs side by side"),
            ("idiolect show corpus mine.toml --search '(?i)lorem' --sample 5 --seed 3", "a sample of what matches"),
            ("idiolect show corpus mine.toml --datasheet --out datasheet.md", "or --summary: for the AI Act"),
            ("idiolect show catalogue", "well-known corpora by name, with licence and size"),
            ("idiolect show --what schema > idiolect.schema.json", "a JSON Schema for your editor"),
            ("idiolect show runs/mine --embeddings --words king,paris", "their nearest neighbours"),
            ("idiolect show runs/mine --embeddings --analogy man:king::woman", "queen?"),
            ("idiolect show runs/mine --embeddings --analogies questions-words.txt --similarities wordsim353.tsv", ""),
        ),
        (
            Option("--what", "settings, corpus, catalogue, tokenizer, embeddings, schema", "WHAT", default="settings"),
            Option("--split", "corpus: documents of train, validation, test, or samples of the dropped", "SPLIT"),
            Option("--reason", "corpus: samples of what was dropped for it, such as near_duplicate", "REASON"),
            Option("--source", "corpus: documents of a source, or of a file or folder in it", "SOURCE"),
            Option("--language", "corpus: documents in a language, such as en", "LANGUAGE"),
            Option("--search", "corpus: documents that match a regular expression (RE2)", "REGEX"),
            Option("--id", "corpus: one document, whole", "ID"),
            Option("--sample", "corpus: so many of them, drawn by the recipe's --seed, not the first ones", "N"),
            Option("--datasheet", "corpus: its datasheet (Gebru et al.) as Markdown", switch=True),
            Option("--summary", "corpus: the public summary of training content (EU AI Act) as Markdown", switch=True),
            Option("--out", "corpus: the file to write --datasheet or --summary to", "FILE"),
            Option("--embeddings", "the same as --what embeddings", switch=True),
            Option("--words", "embeddings: words whose neighbours to show", "A,B,C"),
            Option("--analogy", "embeddings: a is to b as c is to what? may be given several times", "A:B::C", True),
            Option("--analogies", "embeddings: a file of analogies to be scored on (questions-words.txt)", "FILE"),
            Option("--similarities", "embeddings: a file of judged pairs (WordSim-353, SimLex-999)", "FILE"),
            CHECKPOINT,
        ),
        subjects=("settings", "corpus", "catalogue", "tokenizer", "embeddings", "schema"),
    ),
    "verify": Verb(
        "check every byte of a run: corpus, tokenizer, shards, checkpoints",
        "Compares each file with the SHA-256 in its manifest and names what has changed.",
        (("idiolect verify runs/mine", ""),),
    ),
}
