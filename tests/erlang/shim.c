/* Loaded into an agent before the C library (LD_PRELOAD): a clock that is off, and a disk that fails.
 *
 * The file that SHIM_CONTROL names says what, anew at each call, in lines:
 *
 *     clock SECONDS          these are added to the wall clock
 *     fail ENOSPC FOLDER     what writes in FOLDER or makes something there fails so
 *     fail EROFS FOLDER      what opens to write, makes, renames or deletes something there fails so
 *     fail EIO FOLDER        what syncs something there fails so: what is written seems to be there
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum what { WRITES = 1, OPENS = 2, SYNCS = 4 };

struct control {
    long long clock;
    int error;
    int fails;
    char folder[PATH_MAX];
};

/* By calls of the kernel alone: those of the C library lead here again. */
static void control(struct control *found)
{
    char text[PATH_MAX + 256], *line, *rest;
    const char *file = getenv("SHIM_CONTROL");
    long fd, length;

    memset(found, 0, sizeof *found);
    if (file == NULL || (fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC)) < 0)
        return;
    length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (length < 0)
        return;
    text[length] = 0;
    for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char error[16];
        if (sscanf(line, "clock %lld", &found->clock) == 1)
            continue;
        if (sscanf(line, "fail %15s %4095s", error, found->folder) != 2)
            continue;
        if (strcmp(error, "ENOSPC") == 0)
            found->error = ENOSPC, found->fails = WRITES;
        else if (strcmp(error, "EROFS") == 0)
            found->error = EROFS, found->fails = OPENS;
        else if (strcmp(error, "EIO") == 0)
            found->error = EIO, found->fails = SYNCS;
    }
}

static int is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return length > 0 && strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Whether this is to fail for a file of that name. */
static int path_fails(const char *path, int what)
{
    struct control now;
    char whole[2 * PATH_MAX];
    int before = errno;
    long length = 0;

    control(&now);
    if (path != NULL && path[0] != '/' && (length = syscall(SYS_getcwd, whole, PATH_MAX)) > 0)
        whole[length - 1] = '/';
    errno = before;
    if (path == NULL || (now.fails & what) == 0 || length < 0)
        return 0;
    snprintf(whole + length, PATH_MAX, "%s", path);
    if (!is_below(whole, now.folder))
        return 0;
    errno = now.error;
    return 1;
}

static int fd_fails(int fd, int what)
{
    char link[64], path[PATH_MAX];
    int before = errno;
    long length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    errno = before;
    /* a pipe has no path */
    if (length <= 0 || path[0] != '/')
        return 0;
    path[length] = 0;
    return path_fails(path, what);
}

#define REAL(name) static __typeof__(name) *real; if (real == NULL) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t clock, struct timespec *time)
{
    struct control now;
    REAL(clock_gettime);
    int done = real(clock, time);
    if (done == 0 && clock == CLOCK_REALTIME) {
        control(&now);
        time->tv_sec += now.clock;
    }
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    REAL(write);
    return fd_fails(fd, WRITES) ? -1 : real(fd, bytes, length);
}

int fsync(int fd)
{
    REAL(fsync);
    return fd_fails(fd, SYNCS) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return fd_fails(fd, SYNCS) ? -1 : real(fd);
}

static int opening_fails(const char *path, int flags)
{
    if ((flags & O_ACCMODE) == O_RDONLY)
        return 0;
    return path_fails(path, OPENS) || ((flags & O_CREAT) != 0 && access(path, F_OK) != 0 && path_fails(path, WRITES));
}

#define OPEN(name)                                                        \
    int name(const char *path, int flags, ...)                            \
    {                                                                     \
        va_list more;                                                     \
        mode_t mode;                                                      \
        REAL(name);                                                       \
        va_start(more, flags);                                            \
        mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;         \
        va_end(more);                                                     \
        return opening_fails(path, flags) ? -1 : real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    return path_fails(path, WRITES | OPENS) ? -1 : real(path, mode);
}

int unlink(const char *path)
{
    REAL(unlink);
    return path_fails(path, OPENS) ? -1 : real(path);
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    return path_fails(to, WRITES | OPENS) ? -1 : real(from, to);
}
