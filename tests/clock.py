"""A clock for other processes that shows what it is told to."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static long *ahead(void) {
    static long *seconds, none;
    if (!seconds) {
        const char *name = getenv("BRIDGE_TEST_CLOCK");
        int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
        void *mapped = file < 0 ? MAP_FAILED : mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
        seconds = mapped == MAP_FAILED ? &none : mapped;
    }
    return seconds;
}
int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int said = real(clock, at);
    if (!said && clock == CLOCK_REALTIME) at->tv_sec += *ahead();
    return said;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class Clock:
    """The clock of the processes that are started with `environment`, ahead of the right time. It takes a C compiler;
    without one `environment` is None."""

    def __init__(self, folder: Path) -> None:
        self._file, library = folder / "clock", folder / "clock.so"
        self._file.write_bytes(bytes(8))
        (folder / "clock.c").write_text(_CLOCK, encoding="ascii")
        self.environment: dict[str, str] | None = None
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is not None:
            command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(folder / "clock.c"), "-ldl"]
            if subprocess.run(command, check=False, capture_output=True).returncode == 0:
                self.environment = {"LD_PRELOAD": str(library), "BRIDGE_TEST_CLOCK": str(self._file)}

    def jump(self, ahead: int) -> None:
        """From now on it shows so many seconds more than it should."""
        with self._file.open("r+b") as file:
            file.write(ahead.to_bytes(8, sys.byteorder, signed=True))
