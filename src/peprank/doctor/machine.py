"""Processor, cores, memory and disk."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import torch

from peprank.doctor.finding import Finding, note, ok, problem
from peprank.models import has_bf16
from peprank.record.machine import num_cores, processor

_INSTRUCTIONS = ("avx2", "avx512_f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "sve", "bf16")
_LITTLE_MEMORY_GIB = 2.0
_LITTLE_SPACE_GB = 1.0
_SLOW_DISK_MB_PER_S = 50.0
_TRIED_BYTES, _CHUNK_BYTES, _PATIENCE_S = 64 << 20, 4 << 20, 1.5
_CGROUP = Path("/sys/fs/cgroup")


def instructions() -> Finding:
    """What the processor can do at once, and which of it torch uses."""
    able = torch.cpu.get_capabilities()
    has = [name.replace("_f", "f") for name in _INSTRUCTIONS if able.get(name)]
    used = torch.backends.cpu.get_cpu_capability()
    said = f"{processor()}: {', '.join(has) or 'no vector instructions known'}; torch computes with {used}"
    if used == "DEFAULT" and able.get("architecture") == "x86_64":
        remedy = "training takes several times as long without AVX2; choose a machine that has it"
        return note("processor", said, remedy)
    return ok("processor", said)


def bf16() -> Finding:
    """What `mixed_precision: "AUTO"` comes to."""
    if has_bf16(torch.device("cpu")):
        return ok("bfloat16", 'in the processor; mixed_precision "AUTO" takes it')
    return ok("bfloat16", 'not in the processor; mixed_precision "AUTO" takes float32')


def gpu() -> Finding:
    """Whether there is a GPU and torch sees it."""
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
        return ok("GPU", f"{', '.join(names)}; train with --device cuda")
    if Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi"):
        return note("GPU", "there is one that this torch cannot use", "install torch's CUDA build, or use the CPU")
    return ok("GPU", "none; everything works on the CPU")


def threads() -> Finding:
    """Whether torch starts as many threads as there are cores to run them."""
    cores, started, allowed = num_cores(), torch.get_num_threads(), _allowed_cores()
    said = f"{cores} cores, {started} threads"
    if allowed is not None and allowed < started:
        remedy = f"threads will wait for each other: train with --threads {max(int(allowed), 1)}"
        return note("threads", f"{said}, but this container may use {allowed:g} cores", remedy)
    if started > cores:
        return note("threads", said, f"threads will wait for each other: set OMP_NUM_THREADS={cores}")
    if started < cores:
        return note("threads", said, f"unset OMP_NUM_THREADS or train with --threads {cores} to use all cores")
    return ok("threads", said)


def memory() -> Finding:
    """Memory that is free for a run."""
    total, free = _memory_gib()
    said = f"{free:.1f} of {total:.1f} GiB free"
    if free < _LITTLE_MEMORY_GIB:
        return note("memory", said, "end other programs, or lower data_config.batch_size and the tables' sizes")
    return ok("memory", said)


def disk(folder: Path) -> Finding:
    """How fast checkpoints will be written where they will lie.

    Args:
        folder: is made, if it is not there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        space_gb = shutil.disk_usage(folder).free / 1e9
        written, read = _tried(folder / f".doctor.{os.getpid()}")
    except OSError as error:
        return problem("disk", f"{folder}: cannot be written ({error.strerror})", "choose another model_dir")
    said = f"{folder}: writes {written:,.0f} MB/s (synced), reads {read:,.0f} MB/s, {space_gb:,.0f} GB free"
    if space_gb < _LITTLE_SPACE_GB:
        return note("disk", said, "make room, or set train_config.keep_checkpoint_max")
    if written < _SLOW_DISK_MB_PER_S:
        return note("disk", said, "checkpoints will take long: save them less often, or put model_dir elsewhere")
    return ok("disk", said)


def _tried(path: Path) -> tuple[float, float]:
    """MB/s of writing a file that is synced after each chunk, and of reading it."""
    chunk = os.urandom(_CHUNK_BYTES)
    try:
        begun, num_bytes = time.perf_counter(), 0
        with path.open("wb") as stream:
            while num_bytes < _TRIED_BYTES and time.perf_counter() - begun < _PATIENCE_S:
                num_bytes += stream.write(chunk)
                stream.flush()
                os.fsync(stream.fileno())
        written_s, begun = time.perf_counter() - begun, time.perf_counter()
        with path.open("rb") as stream:
            if hasattr(os, "posix_fadvise"):  # from the disk, not from memory
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while stream.read(_CHUNK_BYTES):
                pass
        return num_bytes / written_s / 1e6, num_bytes / (time.perf_counter() - begun) / 1e6
    finally:
        path.unlink(missing_ok=True)


def _memory_gib() -> tuple[float, float]:
    """All memory and what is free of it; a container's limit counts where it is lower."""
    page = os.sysconf("SC_PAGE_SIZE") / 2**30
    total, free = page * os.sysconf("SC_PHYS_PAGES"), page * _pages_free()
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    if limit is None or limit / 2**30 > total:
        return total, free
    return limit / 2**30, min(free, (limit - (used or 0)) / 2**30)


def _pages_free() -> int:
    """Pages that a program could have, those of the file cache too where the system counts them."""
    info = Path("/proc/meminfo")
    for line in info.read_text("ascii").splitlines() if info.is_file() else ():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 // os.sysconf("SC_PAGE_SIZE")
    return os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else os.sysconf("SC_PHYS_PAGES")


def _allowed_cores() -> float | None:
    """Cores that a container's quota comes to; None: no quota."""
    words = _words("cpu.max")
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdecimal() else None


def _cgroup(name: str) -> int | None:
    words = _words(name)
    return int(words[0]) if words and words[0].isdecimal() else None


def _words(name: str) -> list[str]:
    try:
        return (_CGROUP / name).read_text("ascii").split()
    except OSError:
        return []
