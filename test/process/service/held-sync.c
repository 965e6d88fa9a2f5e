// A disk that takes nothing for a while: preloaded, it stands before fsync and fdatasync, and as long as the file that HELD_SYNC names
// is there, neither returns. Whoever is held makes a second file beside it, with the ending .held.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_for_the_disk(void) {
  const char *file = getenv("HELD_SYNC");
  if (file == NULL || access(file, F_OK) != 0) return;
  char mark[4096];
  snprintf(mark, sizeof mark, "%s.held", file);
  close(open(mark, O_CREAT | O_WRONLY, 0600));
  while (access(file, F_OK) == 0) usleep(1000);
}

int fsync(int file) {
  static int (*real)(int);
  if (real == NULL) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  wait_for_the_disk();
  return real(file);
}

int fdatasync(int file) {
  static int (*real)(int);
  if (real == NULL) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_for_the_disk();
  return real(file);
}
