"""What every test stands on: one thread, no network, no stranger's telemetry."""

import os
import signal

# Before torch is loaded: two test processes that spin for each other's cores are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["DO_NOT_TRACK"] = "true"

# A shell starts its background jobs with SIGINT ignored, and children inherit that: `make test &` would fail.
signal.signal(signal.SIGINT, signal.default_int_handler)
