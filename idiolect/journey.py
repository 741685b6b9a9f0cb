"""The journey, one short function a verb: read this file first. Wiring and nothing else.

    text -> prepare -> train -> evaluate -> generate -> report          run (all of them), demo
    a budget -> plan -> new          a run -> finetune, tune, chat, export, show, verify

Each verb takes a Request (what a user typed) and returns what `--json` prints.
"""

from contextlib import nullcontext
from dataclasses import replace

from idiolect.progress import Progress
from idiolect.request import Request
from idiolect.stages.job import Job, open_job, recorded


def _job(request: Request, *, trained: bool = False) -> Job:
    progress = Progress(quiet=request.quiet, json=request.json)
    return open_job(
        request.target, request.flags, name=request.name, runs=request.runs, progress=progress, trained=trained
    )  # fmt: skip


def new(request: Request) -> dict:
    """Write a short recipe for a user's own text and budget."""
    from idiolect.stages.planning import write_recipe

    return write_recipe(request, Progress(quiet=request.quiet, json=request.json))


def run(request: Request) -> dict:
    """The whole journey of a recipe."""
    return _whole_journey(_job(request))


def demo(request: Request) -> dict:
    """The whole journey on the built-in corpus, and the door to what it made."""
    job = open_job(
        "demo", request.flags, name=request.name, runs=request.runs,
        progress=Progress(quiet=request.quiet, json=request.json),
    )  # fmt: skip
    return _whole_journey(job)


def _whole_journey(job: Job) -> dict:
    from idiolect.distributed import is_main, started
    from idiolect.stages import training, verdicts
    from idiolect.stages.prepared import floors, prepared
    from idiolect.stages.showing import show_end
    from idiolect.stages.teaching import meet_teacher

    with started(), recorded(job) if is_main() else nullcontext():
        meet_teacher(job)
        ready = prepared(job)
        beaten = floors(job, ready)
        training.trained(job, ready)
        if not is_main():
            return {}
        scores = verdicts.evaluated(job, ready, beaten)
        samples = verdicts.sampled(job, ready)
        report = verdicts.reported(job, ready, beaten)
        return show_end(job, ready, scores, samples, report)


def prepare(request: Request) -> dict:
    """Collect, clean and split; train the tokenizer; write token shards."""
    from idiolect.stages.prepared import prepared
    from idiolect.stages.showing import show_prepared

    job = _job(request)
    return show_prepared(job, prepared(job))


def train(request: Request) -> dict:
    """Train the model, or go on training it."""
    from idiolect.distributed import is_main, started
    from idiolect.stages.prepared import prepared
    from idiolect.stages.showing import show_training
    from idiolect.stages.teaching import meet_teacher
    from idiolect.stages.training import trained

    job = _job(request)
    with started(), recorded(job) if is_main() else nullcontext():
        meet_teacher(job)
        ready = prepared(job)
        trained(job, ready)
        return show_training(job) if is_main() else {}


def evaluate(request: Request) -> dict:
    """Score a trained model beside its floors."""
    from idiolect.stages.prepared import floors, learned_from
    from idiolect.stages.showing import show_scores
    from idiolect.stages.verdicts import evaluated

    job = _job(request, trained=True)
    with recorded(job):
        ready = learned_from(job)
        found = evaluated(job, ready, floors(job, ready), request.options["checkpoint"])
    show_scores(job, found)
    return found


def finetune(request: Request) -> dict:
    """Fit a trained model to a task."""
    from idiolect.stages.finetuning import finetuned

    parent = _job(replace(request, name=None), trained=True)
    return finetuned(parent, request.options["task"], request.options["checkpoint"], request.name)


def tune(request: Request) -> dict:
    """Search over settings; each trial is a training run of its own."""
    from idiolect.stages.teaching import meet_teacher
    from idiolect.stages.tuning import tuned

    job = _job(request)
    meet_teacher(job)
    return tuned(job, request.options["space"])


def compare(request: Request) -> dict:
    """Families, recipes or variations at an equal budget."""
    from idiolect.stages.allotting import settings_of
    from idiolect.stages.asked import Asked
    from idiolect.stages.comparing import compared_all
    from idiolect.stages.teaching import meet_teacher

    request = replace(request, flags=(*request.flags, *settings_of(request.options)))
    job, options = _job(request), request.options
    meet_teacher(job)
    return compared_all(job, Asked(options["with"], options["vary"], options["ablate"], request.flags))


def plan(request: Request) -> dict:
    """What a recipe, or a budget, will take."""
    from idiolect.stages.planning import planned

    progress = Progress(quiet=request.quiet, json=request.json)
    return planned(request, progress)


def doctor(request: Request) -> dict:
    """Look for settings that make no sense together."""
    from idiolect.stages.forecasting import examined

    return examined(_job(request))


def generate(request: Request) -> dict:
    """Let a trained model write."""
    from idiolect.stages.writing import written

    job, options = _job(request, trained=True), request.options
    return written(job, options["prompt"], options["checkpoint"], request.json, options["suffix"])


def chat(request: Request) -> dict:
    """Talk with a trained model in the terminal."""
    from idiolect.generate.chat import chat as talk
    from idiolect.stages.writing import speaker

    job = _job(request, trained=True)
    model, tokenizer, framing = speaker(job, request.options["checkpoint"])
    return {"texts": talk(model, tokenizer, job.recipe.generate, framing=framing)}


def export(request: Request) -> dict:
    """Write the model in the Hugging Face format, checked against stock transformers."""
    from idiolect.stages.writing import exported

    return exported(_job(request, trained=True), request.options["checkpoint"], request.out)


def report(request: Request) -> dict:
    """Write the run's HTML page."""
    from idiolect.stages.prepared import floors, learned_from
    from idiolect.stages.verdicts import reported

    job = _job(request, trained=True)
    with recorded(job):
        ready = learned_from(job)
        path = reported(job, ready, floors(job, ready), request.out)
    job.progress.show(str(path))
    return {"report": str(path)}


def show(request: Request) -> dict:
    """Every setting with its origin; the corpus; the tokenizer; the schema of a recipe."""
    from idiolect.stages.showing import shown

    return shown(request)


def verify(request: Request) -> dict:
    """Check every byte of a run."""
    from idiolect.stages.checking import verified

    return verified(_job(request))
