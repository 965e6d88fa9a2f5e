// Makes every sync of a file slower by SLOW_SYNC_MS milliseconds: preloaded, it stands before fsync and fdatasync of libc.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_first(void) {
  const char *text = getenv("SLOW_SYNC_MS");
  long ms = text == NULL ? 0 : atol(text);
  struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};
  while (nanosleep(&left, &left) != 0) {
  }
}

static int call_next(const char *name, int file) {
  int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  wait_first();
  return next(file);
}

int fsync(int file) { return call_next("fsync", file); }

int fdatasync(int file) { return call_next("fdatasync", file); }
