"""What a file's ending says: its format, its packing, and of source code the language."""

from pathlib import Path

COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
FORMATS = {
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".rst": "rst",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".warc": "warc",
    ".wet": "warc",
    ".arc": "warc",
    ".xml": "xml",
    ".pdf": "pdf",
    ".epub": "epub",
    ".eml": "mail",
    ".mbox": "mail",
    ".srt": "subtitles",
    ".vtt": "subtitles",
    ".zip": "zip",
    ".tar": "tar",
}
# Programming languages by ending; an ending that several share (.m, .v, .d) is left out.
CODE = {
    ".asm": "assembly", ".bash": "shell", ".c": "c", ".cc": "c++", ".clj": "clojure", ".cpp": "c++", ".cs": "c#",
    ".css": "css", ".cu": "cuda", ".cxx": "c++", ".dart": "dart", ".elm": "elm", ".erl": "erlang", ".ex": "elixir",
    ".exs": "elixir", ".f90": "fortran", ".fs": "f#", ".go": "go", ".groovy": "groovy", ".h": "c", ".hpp": "c++",
    ".hs": "haskell", ".java": "java", ".jl": "julia", ".js": "javascript", ".jsx": "javascript", ".kt": "kotlin",
    ".lisp": "lisp", ".lua": "lua", ".mjs": "javascript", ".ml": "ocaml", ".nim": "nim", ".php": "php",
    ".pl": "perl", ".ps1": "powershell", ".py": "python", ".r": "r", ".rb": "ruby", ".rs": "rust", ".scala": "scala",
    ".scm": "scheme", ".scss": "css", ".sh": "shell", ".sql": "sql", ".swift": "swift", ".tcl": "tcl",
    ".ts": "typescript", ".tsx": "typescript", ".vue": "vue", ".zig": "zig",
}  # fmt: skip
FORMATS |= dict.fromkeys(CODE, "code")
SHORT = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".txz": ".tar.xz", ".tzst": ".tar.zst"}


def ending_of(name: str) -> str:
    """A file's ending as a person names it: `.png`, `.wat.gz`; '' without any."""
    endings = Path(name).suffixes
    return "".join(endings[-2:] if endings and endings[-1].lower() in COMPRESSED else endings[-1:])


def format_of(path: Path, *, named: bool) -> tuple[str, str]:
    """Format and compression by ending. A file named one by one is text whatever its ending."""
    name = path.name.lower()
    short = SHORT.get(path.suffix.lower())
    name = name.removesuffix(path.suffix.lower()) + short if short else name
    compression = next((c for c in COMPRESSED if name.endswith(c)), "")
    kind = FORMATS.get(Path(name.removesuffix(compression)).suffix, "text" if named else "")
    return kind, compression
