// Writes down, in one order over all threads, what a process reads from and writes to sockets, and writes to and syncs of the files of
// its databases. Preloaded, it stands before these calls of libc. Into the file that IO_TRACE names, one record before and one after
// each call; a lock makes their order in the file the order in which they happened. Records are read by io-trace.ts.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct record {
  uint64_t call;    // the same before and after
  int64_t result;   // after: what the call answered
  uint32_t bytes;   // that follow this record
  char phase;       // b before, a after
  char kind;        // r read, w write, s sync
  char target[50];  // file's name, or "tcp local-port peer-port"
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t calls;
static int trace = -1;

static int port_of(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)address)->sin_port);
  if (address->ss_family == AF_INET6) return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
  return -1;
}

static int name_socket(int file, char *target, size_t size) {
  struct sockaddr_storage local, peer;
  socklen_t local_size = sizeof local, peer_size = sizeof peer;
  if (getsockname(file, (struct sockaddr *)&local, &local_size) != 0) return 0;
  if (getpeername(file, (struct sockaddr *)&peer, &peer_size) != 0) return 0;
  if (port_of(&local) < 0) return 0;
  snprintf(target, size, "tcp %d %d", port_of(&local), port_of(&peer));
  return 1;
}

static int ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

static int name_file(int file, char *target, size_t size) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  if (!ends_with(path, ".db") && !ends_with(path, ".db-wal")) return 0;
  const char *slash = strrchr(path, '/');
  snprintf(target, size, "%s", slash == NULL ? path : slash + 1);
  return 1;
}

/** Whether calls on this file are written down. */
static int is_traced(int file, struct record *record) {
  if (getenv("IO_TRACE") == NULL) return 0;
  int kept = errno;
  struct stat status;
  memset(record, 0, sizeof *record);
  int traced = fstat(file, &status) == 0 &&
               (S_ISSOCK(status.st_mode)   ? name_socket(file, record->target, sizeof record->target)
                : S_ISREG(status.st_mode) ? name_file(file, record->target, sizeof record->target)
                                          : 0);
  errno = kept;
  return traced;
}

static void put_all(const void *from, size_t size) {
  const char *at = from;
  while (size > 0) {
    long written = syscall(SYS_write, trace, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) abort(); // a trace with a hole would prove nothing
    at += written;
    size -= (size_t)written;
  }
}

static void put(struct record *record, char phase, int64_t result, const struct iovec *parts, int count, size_t limit) {
  int kept = errno;
  pthread_mutex_lock(&lock);
  if (trace < 0) {
    trace = (int)syscall(SYS_openat, AT_FDCWD, getenv("IO_TRACE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace < 0) abort();
  }
  if (phase == 'b') record->call = ++calls;
  record->phase = phase;
  record->result = result;
  record->bytes = 0;
  size_t left = limit;
  for (int part = 0; part < count; part++) {
    size_t size = parts[part].iov_len < left ? parts[part].iov_len : left;
    record->bytes += (uint32_t)size;
    left -= size;
  }
  put_all(record, sizeof *record);
  left = limit;
  for (int part = 0; part < count && left > 0; part++) {
    size_t size = parts[part].iov_len < left ? parts[part].iov_len : left;
    put_all(parts[part].iov_base, size);
    left -= size;
  }
  pthread_mutex_unlock(&lock);
  errno = kept;
}

#define NEXT(name, type) \
  static type next; \
  if (next == NULL) next = (type)dlsym(RTLD_NEXT, name)

/** A call that writes: its bytes stand in the record before it. */
#define WRITING(file, parts, count, call) \
  struct record record; \
  if (!is_traced(file, &record)) return call; \
  record.kind = 'w'; \
  put(&record, 'b', 0, parts, count, SIZE_MAX); \
  ssize_t result = call; \
  put(&record, 'a', result, NULL, 0, 0); \
  return result

typedef ssize_t (*write_call)(int, const void *, size_t);
typedef ssize_t (*pwrite_call)(int, const void *, size_t, off64_t);
typedef ssize_t (*writev_call)(int, const struct iovec *, int);
typedef ssize_t (*sendmsg_call)(int, const struct msghdr *, int);
typedef ssize_t (*send_call)(int, const void *, size_t, int);
typedef ssize_t (*read_call)(int, void *, size_t);
typedef int (*sync_call)(int);

ssize_t write(int file, const void *from, size_t size) {
  NEXT("write", write_call);
  struct iovec part = {(void *)from, size};
  WRITING(file, &part, 1, next(file, from, size));
}

ssize_t pwrite64(int file, const void *from, size_t size, off64_t offset) {
  NEXT("pwrite64", pwrite_call);
  struct iovec part = {(void *)from, size};
  WRITING(file, &part, 1, next(file, from, size, offset));
}

ssize_t pwrite(int file, const void *from, size_t size, off_t offset) { return pwrite64(file, from, size, offset); }

ssize_t writev(int file, const struct iovec *parts, int count) {
  NEXT("writev", writev_call);
  WRITING(file, parts, count, next(file, parts, count));
}

ssize_t sendmsg(int file, const struct msghdr *message, int flags) {
  NEXT("sendmsg", sendmsg_call);
  WRITING(file, message->msg_iov, (int)message->msg_iovlen, next(file, message, flags));
}

ssize_t send(int file, const void *from, size_t size, int flags) {
  NEXT("send", send_call);
  struct iovec part = {(void *)from, size};
  WRITING(file, &part, 1, next(file, from, size, flags));
}

/** What was read stands in the record after it. Reading from files is nobody's business. */
ssize_t read(int file, void *to, size_t size) {
  NEXT("read", read_call);
  struct record record;
  if (!is_traced(file, &record) || strncmp(record.target, "tcp ", 4) != 0) return next(file, to, size);
  record.kind = 'r';
  put(&record, 'b', 0, NULL, 0, 0);
  ssize_t result = next(file, to, size);
  struct iovec part = {to, result > 0 ? (size_t)result : 0};
  put(&record, 'a', result, &part, 1, SIZE_MAX);
  return result;
}

static int sync_by(sync_call next, int file) {
  struct record record;
  if (!is_traced(file, &record)) return next(file);
  record.kind = 's';
  put(&record, 'b', 0, NULL, 0, 0);
  int result = next(file);
  put(&record, 'a', result, NULL, 0, 0);
  return result;
}

int fsync(int file) {
  NEXT("fsync", sync_call);
  return sync_by(next, file);
}

int fdatasync(int file) {
  NEXT("fdatasync", sync_call);
  return sync_by(next, file);
}
